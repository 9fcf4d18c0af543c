"""Whatever a page names as a path of this repository is there, so that tables and guides stay right when files move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.import_graph import tracked
from tests.support.paths import ROOT

TOP = "components|docs|localcloud|planner|recipes|stacks|tests|toolchain"
NAMED = re.compile(rf"`((?:{TOP})/[^`\s]*)`")
"""In backquotes, from the top: `stacks/deployment.py`, `recipes/*.yaml`, `tests/unit/test_house.py::test_files`."""
LINKED = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
PLACEHOLDER = re.compile(r"NAME|<\w+>")
"""Of a file that a reader is to write."""
PAGES = [page for page in tracked("*.md") if page.name != "CHANGELOG.md"]


def missing(text: str, page: Path) -> list[str]:
    """Paths named or linked to in a page that lead nowhere."""
    named = [(ROOT, path.partition("::")[0].partition(":")[0]) for path in NAMED.findall(text)]
    linked = [(page.parent, path) for path in LINKED.findall(text) if "://" not in path]
    found = []
    for folder, path in named + linked:
        if PLACEHOLDER.search(path):
            there = (folder / PLACEHOLDER.split(path)[0].rpartition("/")[0]).is_dir()
        elif "*" in path:
            there = any(folder.glob(path))
        else:
            there = (folder / path).exists()
        if not there:
            found.append(path)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page):
    assert missing(page.read_text(), page) == []


BESIDE = re.compile(r"`([\w.-]+\.(?:py|sh|j2))`")
"""A file without its folder."""


def test_a_file_beside_another_lies_in_a_folder_of_its_row():
    """The table of where to change what names a folder or a file once, and then what lies beside it."""
    rows = [row for row in (ROOT / "docs/README.md").read_text().splitlines() if row.startswith("|")]
    for row in rows:
        folders = [ROOT / path if (ROOT / path).is_dir() else (ROOT / path).parent for path in NAMED.findall(row)]
        for name in BESIDE.findall(row):
            assert any(list(folder.rglob(name)) for folder in folders), f"{name} in: {row}"


@pytest.mark.parametrize(
    "text",
    [
        "`stacks/gone.py`",
        "`recipes/gone-*.yaml`",
        "`components/gone/NAME.py`",
        "[page](gone.md#part)",
        "`tests/unit/test_gone.py::test_it`",
    ],
)
def test_a_path_that_leads_nowhere_is_found(text):
    assert len(missing(f"see {text}, or `stacks/deployment.py`", ROOT / "README.md")) == 1
