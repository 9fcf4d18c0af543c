"""The root folder below every machine: a minimal system of the host's own release, made once."""

import platform
from pathlib import Path

from localcloud.machines.archive_sources import archive_sources, release_codename
from localcloud.machines.layout import FILES
from localcloud.system.cache import key_of, made_once
from localcloud.system.programs import run

BOOTSTRAP_FILES = ("bootstrap.sh", "base-packages.txt")
MIRROR_FILES = ("mirror-packages.txt", "download-debs.sh")


def bootstrapped() -> Path:
    """The system as it comes from the archive; the first call makes it (about a minute, 220 MB).

    Raises:
        LocalCloudError: the archive cannot be reached or lacks a package; says the last line and where the log is.
    """
    return made_once("debian", bootstrap_key(), _bootstrap)


def base_image() -> Path:
    """The bootstrapped system configured as a bare machine; made again, in seconds, when one of our files changes."""
    ours = (f for f in sorted(FILES.iterdir()) if f.is_file() and f.name not in (*BOOTSTRAP_FILES, *MIRROR_FILES))
    key = key_of(bootstrap_key(), *(f"{file.name}\0{file.read_text()}" for file in ours))
    return made_once("base", key, _configure)


def bootstrap_key() -> str:
    """Names the bootstrapped system by release, architecture and how it is made."""
    return key_of(release_codename(), platform.machine(), *((FILES / name).read_text() for name in BOOTSTRAP_FILES))


def _bootstrap(folder: Path, log: Path) -> None:
    sources = folder.with_name(f"{folder.name}.list")
    sources.write_text("\n".join(archive_sources()) + "\n")
    try:
        script, packages = (FILES / name for name in BOOTSTRAP_FILES)
        run("bash", script, folder, release_codename(), sources, packages, log=log)
    finally:
        sources.unlink()


def _configure(folder: Path, log: Path) -> None:
    run("bash", FILES / "configure-base.sh", bootstrapped(), folder, FILES, log=log)
