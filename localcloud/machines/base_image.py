"""The root folder below every machine: a minimal system of the host's own release, made once."""

import platform
from pathlib import Path

from localcloud.machines.archive_sources import archive_sources, release_codename
from localcloud.machines.cache import FILES, key_of, made_once
from localcloud.machines.programs import run


def base_key() -> str:
    """Names the base image by release, architecture and every file that goes into it."""
    inputs = (file for file in sorted(FILES.iterdir()) if file.name not in ("mirror-packages.txt", "download-debs.sh"))
    return key_of(release_codename(), platform.machine(), *(f"{file.name}\0{file.read_text()}" for file in inputs))


def base_image() -> Path:
    """The folder of the base image; the first call makes it (about a minute, 220 MB).

    Raises:
        MachinesError: the archive cannot be reached or lacks a package; says the last line and where the log is.
    """
    return made_once("base", base_key(), _make)


def _make(folder: Path, log: Path) -> None:
    sources = folder.with_name(f"{folder.name}.list")
    sources.write_text("\n".join(archive_sources()) + "\n")
    try:
        run("bash", FILES / "build-base.sh", folder, release_codename(), sources, FILES, log=log)
    finally:
        sources.unlink()
