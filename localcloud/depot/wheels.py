"""The wheels that machines install the download clients from."""

import sys
from pathlib import Path

from localcloud.engine.environment import find_uv
from localcloud.machines.cache import cache_dir, key_of, made_once
from localcloud.machines.programs import run

LOCK = Path(__file__).with_name("clients.lock")
PIP = "pip==26.1"
"""Fetches the wheels; uv installs, but doesn't download."""
TAGS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
"""What Debian 12's pip accepts (glibc 2.36)."""


def ensure_wheels() -> Path:
    """The folder of wheels, for Python 3.11 on x86-64, checked against clients.lock; fetched when it isn't there.

    Raises:
        MachinesError: the package index wasn't reached or gave something else; one sentence.
    """
    return made_once("wheels", key_of(LOCK.read_text(), *TAGS), _fetch)


def _fetch(folder: Path, log: Path) -> None:
    platforms = [f"--platform={tag}" for tag in TAGS]
    run(
        *(find_uv(), "tool", "run", "--quiet", f"--cache-dir={cache_dir().parent / 'uv-cache'}"),
        *(f"--python={sys.executable}", PIP, "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.11", "--implementation=cp"),
        *("--abi=cp311", "--abi=abi3", "--abi=none", *platforms),
        *("--requirement", LOCK, "--dest", folder),
        log=log,
    )
