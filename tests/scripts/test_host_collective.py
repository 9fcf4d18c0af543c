"""collective.py with real torch processes over gloo: what NCCL does on GPUs, as far as a processor shows it."""

import json
import subprocess

import pytest

from localcloud.fixtures import ensure_environment
from tests.support.paths import ROOT

pytestmark = pytest.mark.root
INSIDE = ROOT / "localcloud/fixtures/files/inside.sh"


def command(*words):
    """The program where the engine's torch is."""
    inside = ["bash", str(INSIDE), str(ensure_environment()), str(ROOT / "components/host/files")]
    program = ["python3", "/mnt/collective.py", "--backend", "gloo", "--mib", "1", "--nodes", "2", "--local", "1"]
    return [*inside, *program, *words]


def collective(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=120, check=False)


def test_all_ranks_of_two_nodes_agree_on_the_sum():
    """Two nodes of one rank each, on this computer: both end with success and the same count."""
    words = ["--seconds", "60", "--port", "29431"]
    with subprocess.Popen(command(*words, "--node-rank", "1"), stdout=subprocess.PIPE, text=True) as other:
        done = collective(*words)
        theirs, _ = other.communicate(timeout=60)
    assert done.returncode == 0, done.stderr
    mine = json.loads(done.stdout)
    assert (mine["ranks"], mine["bytes"], mine["transports"]) == (2, 1 << 20, [])
    assert mine["bus_gb_per_s"] > 0
    assert json.loads(theirs)["ranks"] == 2


def test_a_machine_that_does_not_come_is_said_in_one_sentence():
    done = collective("--seconds", "13", "--port", "29432")
    assert done.returncode == 1
    assert "not all ranks met at 127.0.0.1:29432 in 13 s" in done.stderr.splitlines()[-1]
