"""The house keeps its order: who may import whom, who reads configuration, how long a file may be."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.support.import_graph import ImportGraph, parsed, tracked
from tests.support.paths import ROOT

LONGEST = 480
"""Lines of a file that a reader can hold in the head."""


@functools.cache
def imports(path: Path) -> set[str]:
    """Top-level names of what a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(parsed(path)):
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


@pytest.fixture(scope="module")
def import_graph():
    return ImportGraph(tracked(*(f"{package}/*.py" for package in sorted(OURS))), ROOT)


def test_no_imports_go_in_circles(import_graph):
    assert import_graph.circles == []


@pytest.mark.parametrize(
    "importing",
    [
        "from part.a import x",
        "def f():\n    from part.a import x",
        "if TYPE_CHECKING:\n    import part.a",
        "from .a import x",
        "from part import x",
        "from . import a",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path, importing):
    files = {"__init__.py": "from part.a import x", "a.py": "from part.b import y\nx = 1", "b.py": importing}
    (tmp_path / "part").mkdir()
    for name, text in files.items():
        (tmp_path / "part" / name).write_text(text)
    assert ImportGraph(sorted((tmp_path / "part").iterdir()), tmp_path).circles == [("part.a", "part.b")]


def test_only_machine_runs_commands():
    users = {p.relative_to(ROOT) for p in tracked("*.py") if "pulumi_command" in imports(p)}
    outside = {p for p in users if p.parts[:2] != ("components", "machine") and p.parts[0] != "tests"}
    assert users
    assert not outside


def test_the_planner_knows_no_pulumi():
    assert not [p for p in tracked("planner/*.py") if any(n.startswith("pulumi") for n in imports(p))]


def test_only_the_settings_read_configuration():
    readers = {str(p.relative_to(ROOT)) for p in tracked("*.py") if "pulumi.Config(" in p.read_text()}
    assert {r for r in readers if not r.startswith("tests/")} == {"stacks/load_settings.py"}


def test_settings_know_nothing_of_what_is_made_of_them():
    """Only versions and the names that settings have in messages; the plan, the split and the rest lie a room above."""
    known = {"stacks.settings", "stacks.versions", "stacks.setting_names"}
    for path in tracked("stacks/settings/*.py"):
        modules = {
            f"{node.module}.{alias.name}" if node.module == "stacks" else node.module
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        inside = {".".join(module.split(".")[:2]) for module in modules if module.split(".")[0] == "stacks"}
        assert inside <= known, path


def test_tests_share_only_what_lies_in_support():
    """A file of tests is nobody's library: neither it nor a conftest is imported."""
    shared = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in tracked("tests/*.py")
        for node in ast.walk(parsed(path))
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


def test_the_formatter_alone_lays_out_lines():
    by_hand = [path for path in tracked("*.py") if re.search(r"# (fmt: ?(off|skip)|yapf: ?disable)", path.read_text())]
    assert not by_hand


def test_nothing_strays_into_the_entrance():
    """What lies at the top is what the README, Pulumi, make or CI looks for there."""
    parts = {"components", "docs", "localcloud", "planner", "recipes", "stacks", "tests", "toolchain", ".ci"}
    entrance = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "__main__.py"}
    entrance |= {"pyproject.toml", "requirements.lock", ".gitignore", ".shellcheckrc"}
    entrance |= {"Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.hosts.yaml", "Pulumi.local.yaml"}
    found = {file.relative_to(ROOT).parts[0] for file in tracked()}
    assert found == parts | entrance
