"""Scripts that travel to machines, by their names there."""

from __future__ import annotations

from pathlib import Path

from components.runtime import RuntimeName, find_runtime
from tests.support.paths import ROOT

FOLDERS = [ROOT / f"components/{part}/files" for part in ("machine", "host", "runtime", "images")]


def script(name: str) -> Path:
    """Where a file of this name lies here.

    Raises:
        FileNotFoundError: in none of the folders.
    """
    for folder in FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(name)


LEASE_FILES = find_runtime("docker").installation().script_files()
"""Files of acquire.sh and cleanup.sh, as `agent.py` takes them."""


def lease_scripts(runtime: RuntimeName = "docker") -> dict[str, str]:
    """acquire.sh and cleanup.sh as a machine gets them."""
    files = find_runtime(runtime).installation().script_files()
    return {name: "".join((ROOT / file).read_text() for file in parts) for name, parts in files.items()}
