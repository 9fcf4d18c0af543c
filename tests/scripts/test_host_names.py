"""names.sh: machines with equal host names are refused, by name."""

import os
import subprocess

import pytest

from components.machine.payload import FILES
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("n1=a n2=b n3=ab", ""),
        ("n1=a", ""),
        ("n1=localhost n2=x n3=localhost", "n1 and n3 have the same host name, localhost"),
    ],
)
def test_host_names(tmp_path, names, says):
    (tmp_path / "lib.sh").write_bytes((FILES / "lib.sh").read_bytes())
    environment = {
        "TANDEM_DIR": tmp_path,
        "TANDEM_HOME": tmp_path,
        "TANDEM_STEP": "names",
        "NAMES": names,
        "IMAGES": "sha256:1 sha256:2",
    }
    done = subprocess.run(
        ["bash", ROOT / "components/host/files/names.sh"], env={**os.environ, **environment}, check=False
    )
    assert done.returncode == bool(says)
    if says:
        assert says in (tmp_path / "error").read_text()
