"""The split that is chosen, beside what the engines' own guides recommend."""

import pytest

from tests.support.paths import ROOT
from tests.unit.planner.situations import SITUATIONS, table


@pytest.mark.parametrize(
    "situation", SITUATIONS, ids=lambda s: f"{s.model}-{s.machines}x{s.gpus}-{s.gpu}-{s.concurrency}"
)
def test_the_split_is_the_guides_or_differs_for_a_reason(situation):
    assert situation.plan().estimate.split.short == situation.ours
    assert bool(situation.why) is (situation.ours != situation.guide)


def test_the_documented_table_is_what_is_chosen():
    """`python -m tests.unit.planner.situations` prints it."""
    assert len(SITUATIONS) >= 20
    assert table() in (ROOT / "docs/split.md").read_text()
