"""A folder of weights: what must be in it, what is, and whether the bytes are right."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safe_paths import Inside, check_names

MANIFEST = ".tandem-weights.json"
CHUNK = 8 << 20


@dataclass(frozen=True)
class File:
    """One file of a model: path, size in bytes, and its SHA-256 or (small files on a git hub) git blob id."""

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


class Checksum(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes | memoryview, /) -> None:
        """More bytes."""

    def hexdigest(self) -> str:
        """The sum so far."""


def checksum(file: File) -> Checksum:
    """The sum by which the hub knows a file: SHA-256, else that of a git blob, which begins with its size."""
    if file.git_sha1 and not file.sha256:
        return hashlib.new("sha1", b"blob %d\0" % file.size)  # noqa: S324  # git's own
    return hashlib.sha256()


def digest(path: Path, file: File, progress: Callable[[int], None]) -> bool:
    """Whether the bytes are the hub's."""
    found, wanted = checksum(file), file.sha256 or file.git_sha1
    with path.open("rb") as stream:
        while wanted and (chunk := stream.read(CHUNK)):
            found.update(chunk)
            progress(len(chunk))
    return wanted is None or found.hexdigest() == wanted


def wrong_files(folder: Path, files: list[File], progress: Callable[[int], None]) -> Iterator[tuple[File, str]]:
    """Files that are missing or hold other bytes, with the reason."""
    for file in files:
        path = folder / file.path
        if path.is_symlink():
            yield file, "is a link"
        elif not path.is_file():
            yield file, "is missing"
        elif path.stat().st_size != file.size:
            yield file, f"has {path.stat().st_size} bytes instead of {file.size}"
        elif not digest(path, file, progress):
            yield file, "holds other bytes than the hub's (checksum differs)"


def write_manifest(folder: Path, files: list[File], revision: str) -> None:
    """Records what was verified, so that it can be verified again without the hub."""
    entries = [{"path": f.path, "size": f.size, "sha256": f.sha256, "git_sha1": f.git_sha1} for f in files]
    inside, new = Inside(folder), MANIFEST + ".new"
    with os.fdopen(inside.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as stream:
        json.dump({"revision": revision, "files": entries}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    inside.replace(new, MANIFEST)


def read_manifest(folder: Path) -> tuple[str, list[File]] | None:
    """What was verified here last; None if nothing was.

    Raises:
        LookupError: one sentence: somebody else has written it.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        revision, files = str(manifest["revision"]), [File(**entry) for entry in manifest["files"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise LookupError(f"{folder / MANIFEST} is none of ours; remove it, then run `pulumi up` again") from None
    check_names([file.path for file in files], str(folder / MANIFEST))
    return revision, files
