"""A model repository: a folder of files, with the checksums that hubs tell about them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LFS_SUFFIXES = (".safetensors", ".bin", ".gguf")
"""What hubs keep outside git, known by its SHA-256; the rest is known by its git blob id."""


@dataclass(frozen=True)
class RepositoryFile:
    """One file. `path` is relative to the repository; sums are of the bytes when the repository was first read."""

    path: str
    file: Path
    size: int
    sha256: str
    git_sha1: str

    @property
    def lfs(self) -> bool:
        """Whether a hub keeps it outside git."""
        return self.path.endswith(LFS_SUFFIXES)

    @property
    def etag(self) -> str:
        """What the hub's file endpoint gives as its ETag."""
        return self.sha256 if self.lfs else self.git_sha1


@dataclass(frozen=True)
class Repository:
    """A model under `owner/name`; with `token`, only who shows it may fetch it."""

    id: str
    folder: Path
    token: str | None = None

    @cached_property
    def files(self) -> dict[str, RepositoryFile]:
        """All files by their path."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {file.path: file for file in (_read(self.folder, path) for path in paths)}

    @cached_property
    def commit(self) -> str:
        """40 hexadecimal digits that stand for exactly these files."""
        lines = "".join(f"{file.sha256} {file.path}\n" for file in self.files.values())
        return hashlib.sha1(lines.encode(), usedforsecurity=False).hexdigest()

    def knows(self, revision: str) -> bool:
        """Whether the revision is the default branch of either hub, or the commit."""
        return revision in ("main", "master", self.commit)


def _read(folder: Path, path: Path) -> RepositoryFile:
    size = path.stat().st_size
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha256.update(chunk)
            blob.update(chunk)
    return RepositoryFile(path.relative_to(folder).as_posix(), path, size, sha256.hexdigest(), blob.hexdigest())
