"""Planned against what people published of their own GPUs."""

from pathlib import Path

import pytest

from tests.unit.planner.public_reports import OFF, REPORTS, compared, table


@pytest.mark.parametrize("row", REPORTS["rows"], ids=lambda r: r["id"])
def test_a_report_is_planned_as_it_was(row):
    """Weights within 1 %, KV cache and tokens within 5 %, fit or refusal right; one that comes right leaves OFF."""
    found = compared(row)
    assert found.right is (row["id"] not in OFF), (found.errors, found.planned.get("refusal"))


def test_the_documented_table_is_what_is_planned():
    """`python -m tests.unit.planner.public_reports` prints it; every id that is explained is a report."""
    assert table() in Path("docs/planner.md").read_text()
    assert {*OFF} <= {row["id"] for row in REPORTS["rows"]}
