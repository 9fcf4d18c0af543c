"""vLLM for CPUs, Ray and the download clients in a Debian root, which machines mount read-only."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from localcloud.machines.archive_sources import archive_sources, release_codename
from localcloud.machines.cache import cache_dir, key_of, made_once
from localcloud.machines.errors import MachinesError
from localcloud.machines.programs import run

FILES = Path(__file__).with_name("files")

PACKAGES = (
    "python3",
    "libpython3.11-dev",  # torch.compile compiles C++ against Python's headers
    "g++",
    "libnuma1",
    "nginx-light",
    "iproute2",
    "procps",
    "curl",
    "ca-certificates",
    "openssl",
)

FREE_BYTES = 6 * 2**30
"""2.6 GiB of result, as much again in uv's cache while it is made."""


def ensure_environment() -> Path:
    """The engine's root directory, made when it isn't there: about 3 minutes and 2.6 GiB.

    `usr` and `opt/vllm` inside it are what containers mount at `/usr` and `/opt/vllm`.

    Raises:
        MachinesError: not root, something missing, no network, no space; one sentence with the remedy.
    """
    key = key_of(release_codename(), *PACKAGES, *(file.read_text() for file in _sources()))
    return made_once("engine", key, _make) / "root"


def _sources() -> list[Path]:
    """The files that decide what is built."""
    own = [FILES / name for name in ("root.sh", "packages.sh", "requirements.lock", "cuda_stubs.py")]
    return own + sorted(file for file in (FILES / "packages").rglob("*") if file.suffix in (".py", ".toml"))


def _make(folder: Path, log: Path) -> None:
    _check()
    uv = find_uv()
    root = folder / "root"
    with tempfile.NamedTemporaryFile("w", suffix=".list") as sources:
        sources.write("".join(f"{line}\n" for line in archive_sources()))
        sources.flush()
        run(FILES / "root.sh", root, release_codename(), sources.name, ",".join(PACKAGES), log=log)
    run(FILES / "packages.sh", root, uv, cache_dir().parent / "uv-cache", log=log)


def _check() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise MachinesError(
            "The engine's environment is made with chroot, which needs root on Linux: run the same with sudo -E."
        )
    for program, package in (("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux"), ("chroot", "coreutils")):
        if shutil.which(program) is None:
            raise MachinesError(f"{program} is missing, which makes the engine's root: apt-get install {package}.")
    cache_dir().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache_dir()).free
    if free < FREE_BYTES:
        raise MachinesError(
            f"{cache_dir()} has {free / 2**30:.1f} GiB free and the engine's environment needs "
            f"{FREE_BYTES / 2**30:.0f}: free some, or set TANDEM_CACHE to a folder on a larger disk."
        )


def find_uv() -> Path:
    """The uv that made the project's environment, or the one on PATH.

    Raises:
        MachinesError: there is none.
    """
    kept = sorted((cache_dir().parent / "uv").glob("*/bin/uv"))
    found = kept[-1] if kept else shutil.which("uv")
    if found is None:
        raise MachinesError("uv is missing, which installs the engine's packages: run `make setup`.")
    return Path(found)
