"""The house keeps its order: who may import whom, who reads configuration, how long a file may be."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LONGEST = 480
"""Lines of a file that a reader can hold in the head."""


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def imports(path: Path) -> set[str]:
    """Top-level names of what a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


OURS = {"components", "stacks", "planner", "toolchain", "localcloud"}
ALLOWED = {
    "components": {"components", "planner"},
    "stacks": {"stacks", "components", "planner"},
    "planner": {"planner"},
    "toolchain": {"toolchain"},
    "localcloud": {"localcloud"},
}


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_arrows_run_one_way(part):
    for path in tracked(f"{part}/*.py"):
        assert imports(path) & OURS <= ALLOWED[part], path


WITHOUT_CIRCLES = ("components", "planner", "stacks", "toolchain")
"""Packages whose modules import each other one way only; every other package joins as soon as it is clean."""


class ImportGraph:
    """Which module of this repository imports which, wherever the import stands: in functions and for types alike.

    A name taken from a package leads to the module that defines it, not to the package's `__init__`.
    """

    def __init__(self, packages):
        self.paths = {}
        for path in tracked(*(f"{package}/*.py" for package in packages)):
            parts = path.relative_to(ROOT).with_suffix("").parts
            self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.trees = {name: ast.parse(path.read_text()) for name, path in self.paths.items()}
        self.edges = {name: self._imported(name) - {name} for name in self.paths}

    def circles(self):
        """Groups of modules that reach each other, each sorted."""
        reach = {name: self._reachable(name) for name in self.edges}
        groups = {tuple(sorted(m for m in reach[n] if n in reach[m])) for n in self.edges if n in reach[n]}
        return sorted(groups)

    def _reachable(self, start):
        found, left = set(), list(self.edges[start])
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self.edges[name]
        return found

    def _imported(self, name):
        found = set()
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {self._home(self._base(name, node), alias.name) for alias in node.names}
        return found & set(self.paths)

    def _base(self, name, node):
        """The module after `from`, a relative one made whole."""
        if not node.level:
            return node.module or ""
        parts = name.split(".") if self.paths[name].name == "__init__.py" else name.split(".")[:-1]
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, node.module] if node.module else parts)

    def _home(self, module, wanted, seen=()):
        """Where a name is defined that a module has from others."""
        if f"{module}.{wanted}" in self.paths:
            return f"{module}.{wanted}"
        if module in self.paths and self.paths[module].name == "__init__.py" and module not in seen:
            for node in self.trees[module].body:
                names = {a.asname or a.name: a.name for a in node.names} if isinstance(node, ast.ImportFrom) else {}
                if wanted in names:
                    return self._home(self._base(module, node), names[wanted], (*seen, module))
        return module


@pytest.fixture(scope="module")
def import_graph():
    return ImportGraph(sorted(OURS))


@pytest.mark.parametrize("package", WITHOUT_CIRCLES)
def test_no_imports_go_in_circles(import_graph, package):
    assert [c for c in import_graph.circles() if any(m.split(".")[0] == package for m in c)] == []


@pytest.mark.parametrize(
    "importing",
    ["from part.a import x", "def f():\n    from part.a import x", "if TYPE_CHECKING:\n    import part.a",
     "from .a import x", "from part import x", "from . import a"],
)  # fmt: skip
def test_a_circle_is_found_wherever_the_import_stands(tmp_path, monkeypatch, importing):
    files = {"__init__.py": "from part.a import x", "a.py": "from part.b import y\nx = 1", "b.py": importing}
    (tmp_path / "part").mkdir()
    for name, text in files.items():
        (tmp_path / "part" / name).write_text(text)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "tracked", lambda *patterns: sorted((tmp_path / "part").iterdir()))
    assert ImportGraph(["part"]).circles() == [("part.a", "part.b")]


def test_only_machine_runs_commands():
    users = {p.relative_to(ROOT) for p in tracked("*.py") if "pulumi_command" in imports(p)}
    outside = {p for p in users if p.parts[:2] != ("components", "machine") and p.parts[0] != "tests"}
    assert users
    assert not outside


def test_the_planner_knows_no_pulumi():
    assert not [p for p in tracked("planner/*.py") if any(n.startswith("pulumi") for n in imports(p))]


def test_only_the_settings_read_configuration():
    readers = {str(p.relative_to(ROOT)) for p in tracked("*.py") if "pulumi.Config(" in p.read_text()}
    assert {r for r in readers if not r.startswith("tests/")} == {"stacks/settings/load.py"}


def test_tests_share_only_what_lies_in_support():
    """A file of tests is nobody's library: neither it nor a conftest is imported."""
    shared = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in tracked("tests/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests.")
        if node.module.split(".")[-1].startswith(("test_", "conftest"))
    }
    assert not shared


def test_scripts_stop_at_the_first_mistake():
    for path in tracked("*.sh", ".ci/run"):
        text = path.read_text()
        strict = "set -eu" if text.startswith("#!/bin/sh") else "set -euo pipefail"
        assert strict in text or "lib.sh" in text, path


def test_files_fit_into_a_head():
    long = {p.name: n for p in tracked("*.py", "*.sh") if (n := len(p.read_text().splitlines())) > LONGEST}
    assert not long


def test_nothing_strays_into_the_entrance():
    """What lies at the top is what the README, Pulumi, make or CI looks for there."""
    parts = {"components", "docs", "localcloud", "planner", "recipes", "stacks", "tests", "toolchain", ".ci"}
    entrance = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "__main__.py"}
    entrance |= {"pyproject.toml", "requirements.lock", ".gitignore", ".shellcheckrc"}
    entrance |= {"Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.hosts.yaml", "Pulumi.local.yaml"}
    found = {file.relative_to(ROOT).parts[0] for file in tracked()}
    assert found == parts | entrance
