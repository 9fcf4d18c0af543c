"""Ray's cluster launcher, in the version that the engine's environment has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from localcloud.fixtures.uv import find_uv
from localcloud.system.cache import made_once
from tests.support.paths import ROOT


def ensure_launcher() -> Path:
    """The folder of its packages, for PYTHONPATH; installed into the cache when it isn't there."""
    lock = (ROOT / "localcloud/fixtures/files/requirements.lock").read_text()
    found = re.search(r"^ray(?:\[.*?\])?==([\d.]+)", lock, re.MULTILINE)
    assert found, "the engine's requirements.lock names no ray"
    version = found[1]

    def install(folder: Path, _log: Path) -> None:
        words = [str(find_uv()), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
        subprocess.run([*words, f"ray=={version}"], check=True)

    return made_once("ray-launcher", version, install)
