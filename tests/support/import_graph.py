"""Which module of this repository imports which."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.support.paths import ROOT


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git knows and that are there."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax tree, read once in a process."""
    return ast.parse(path.read_text())


class ImportGraph:
    """Which module of this repository imports which, wherever the import stands: in functions and for types alike.

    A name taken from a package leads to the module that defines it, not to the package's `__init__`.
    """

    def __init__(self, files: Iterable[Path], root: Path) -> None:
        """Reads the files.

        Args:
            files: Python files below root.
            root: where packages lie.
        """
        self.paths: dict[str, Path] = {}
        for path in files:
            parts = path.relative_to(root).with_suffix("").parts
            self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.trees = {name: parsed(path) for name, path in self.paths.items()}
        self.edges = {name: self._imported(name) - {name} for name in self.paths}

    @functools.cached_property
    def circles(self) -> list[tuple[str, ...]]:
        """Groups of modules that reach each other, each sorted."""
        reach = {name: self._reachable(name) for name in self.edges}
        groups = {tuple(sorted(m for m in reach[n] if n in reach[m])) for n in self.edges if n in reach[n]}
        return sorted(groups)

    def _reachable(self, start: str) -> set[str]:
        found: set[str] = set()
        left = list(self.edges[start])
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self.edges[name]
        return found

    def _imported(self, name: str) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {self._home(self._base(name, node), alias.name) for alias in node.names}
        return found & set(self.paths)

    def _base(self, name: str, node: ast.ImportFrom) -> str:
        """The module after `from`, a relative one made whole."""
        if not node.level:
            return node.module or ""
        parts = name.split(".") if self.paths[name].name == "__init__.py" else name.split(".")[:-1]
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, node.module] if node.module else parts)

    def _home(self, module: str, wanted: str, seen: tuple[str, ...] = ()) -> str:
        """Where a name is defined that a module has from others."""
        if f"{module}.{wanted}" in self.paths:
            return f"{module}.{wanted}"
        if module in self.paths and self.paths[module].name == "__init__.py" and module not in seen:
            for node in (each for each in self.trees[module].body if isinstance(each, ast.ImportFrom)):
                names = {a.asname or a.name: a.name for a in node.names}
                if wanted in names:
                    return self._home(self._base(module, node), names[wanted], (*seen, module))
        return module
