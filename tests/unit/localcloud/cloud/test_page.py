"""The table of types and properties is whole, and docs/localcloud-table.md says what it says.

What the table says is proved by tests/engine/test_alicloud_table.py with the real provider code.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from localcloud.cloud.actions import ACTIONS
from tests.engine.alicloud_calls import CALLED
from tests.engine.alicloud_page import BEGIN, END, PAGE, tables
from tests.engine.alicloud_table import TABLE
from tests.support.paths import ROOT

BRIDGED = json.loads((ROOT / "toolchain/bridge/providers/alicloud.json").read_text())["resources"]


def declared() -> Iterator[tuple[str, str]]:
    """Type and property of each resource that the program's code declares."""
    for path in [*(ROOT / "components").rglob("*.py"), *(ROOT / "stacks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            package, _, kind = ast.unparse(node.func).partition(".")
            if package == "alicloud" and kind.count(".") == 1 and kind.split(".")[1][0].isupper():
                yield from ((kind, each.arg) for each in node.keywords if each.arg and each.arg != "opts")


def test_every_property_that_the_program_sets_is_in_the_table():
    """Created with a value, and changed: in place, by replacement, or with the reason why it can't be."""
    used = set(declared())
    assert len({kind for kind, _ in used}) >= 9 and len(used) >= 50
    for kind, key in sorted(used):
        rows = [row for row in TABLE.values() if row.type == kind]
        assert any(key in row.creates for row in rows), (kind, key)
        assert any(key in {**row.updates, **row.replaces, **row.fixed} for row in rows), (kind, key)


def test_every_type_of_the_plugin_is_in_the_table():
    assert {each.split(":")[-1] for each in BRIDGED} == {row.type.split(".")[1] for row in TABLE.values()}
    assert {each.partition("/")[0].split(":")[1] for each in BRIDGED} == {r.type.split(".")[0] for r in TABLE.values()}


def test_every_type_is_changed_behind_its_back():
    assert {row.type for row in TABLE.values() if row.strange[1]} == {row.type for row in TABLE.values()}


def test_only_an_association_has_nothing_to_update():
    kinds = {row.type for row in TABLE.values()}
    assert kinds - {row.type for row in TABLE.values() if row.updates} == {"ecs.EipAssociation"}
    assert kinds == {row.type for row in TABLE.values() if row.replaces}


def test_what_the_provider_calls_is_served():
    assert set(ACTIONS) >= CALLED


def test_the_page_is_written_from_the_table():
    """`python -m tests.engine.alicloud_page` writes it."""
    text = PAGE.read_text()
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() == tables()
