"""What a part of the toolchain is: a few programs, built once for a given content of their sources."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.paths import cache_dir


@dataclass(frozen=True)
class Part:
    """One part, built into ``<cache>/<name>/<key>/``, whose programs are then found on PATH.

    - ``programs``: file names that ``build`` leaves, executable, at the top of the directory it is given.
      Anything else it leaves there stays beside them (they find it by their own resolved path).
    - ``build``: called with an empty directory, under a lock, only when no directory for the key exists; raises
      ToolchainError. A build that fails or is killed leaves nothing.
    - ``sources``: files and directories whose contents decide the key (``*_test.go`` does not count), each under a name
      that the key has for it: one that moves under its old name is not built again.
    - ``versions``: pins that decide the key.
    """

    name: str
    programs: tuple[str, ...]
    build: Callable[[Path], None]
    sources: Mapping[str, Path] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """Return 16 hex digits that change when anything changes that the build depends on."""
        digest = hashlib.sha256()
        for value in (self.name, platform.system(), platform.machine(), *self.programs, *sorted(self.versions.items())):
            digest.update(f"{value}\0".encode())
        for name, source in self.sources.items():
            for path in _files(source):
                digest.update(f"{Path(name) / path.relative_to(source)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def directory(self) -> Path:
        """Return where the part is, or will be, complete."""
        return cache_dir() / self.name / self.key()

    def present(self) -> bool:
        """Tell whether the part is built: a directory appears there only complete."""
        return self.directory().is_dir()


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file() and not path.name.endswith("_test.go"))
