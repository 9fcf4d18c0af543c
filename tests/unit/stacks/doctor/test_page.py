"""docs/doctor.md lists the checks there are; `python -m tests.unit.stacks.doctor.test_page` writes the list anew."""

from __future__ import annotations

from stacks.doctor.registry import CHECKS
from tests.support.paths import ROOT

PAGE = ROOT / "docs/doctor.md"
BEGIN, END = "<!-- checks: tests/unit/stacks/doctor/test_page.py -->", "<!-- end of the checks -->"


def listed() -> str:
    rows = "\n".join(f"| `{check.id}` | {check.what} |" for check in CHECKS)
    return f"\n\n| Check | What is right |\n|---|---|\n{rows}\n\n"


def test_every_check_is_on_the_page():
    assert PAGE.read_text().partition(BEGIN)[2].partition(END)[0] == listed()


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text.partition(BEGIN)[0] + BEGIN + listed() + END + text.partition(END)[2])
