"""The local stack's planned timeline beside its measured one: from an empty account to the first completion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from planner import Plan
from stacks.load_settings import parse
from stacks.planning import plan_for
from tests.bench.timed import state, timed_up
from tests.bench.timeline import Step, steps
from tests.support.account import Account

pytestmark = [pytest.mark.root, pytest.mark.engine]

CLOSE_ENOUGH = 0.25

RESOURCES = {
    "network": r"network-.*|key|guard",
    "storage": r"storage-.*",
    "fetcher machine": r"fetcher-(instance|lease.*)",
    "client": r"fetcher-(prepare|weights).*",
    "machines": r"node-\d-(instance|lease.*)",
    "host": r"node-\d-(prepare|docker).*",
    "image": r".*-image",
    "cluster": r"node-\d-ray.*",
    "engine": r"node-\d-engine.*",
    "completion": r"answer.*",
}
"""The planner's steps, and the names of the resources that are created in each; the hub's client also downloads."""


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.close()


def planned(config: dict[str, Any]) -> Plan:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in config.items()}
    found = plan_for(parse(texts))
    assert found is not None
    return found


def spans(measured: Sequence[Step]) -> dict[str, tuple[float, float]]:
    """When each of the planner's steps began and ended."""
    found = {}
    for name, pattern in RESOURCES.items():
        own = [step for step in measured if re.fullmatch(pattern, step.name)]
        if own:
            found[name] = (min(step.start for step in own), max(step.end for step in own))
    return found


def test_the_first_completion_comes_when_the_plan_says(local):
    """The whole within 25 %; the steps are printed side by side, since their bounds aren't quite the same."""
    timeline = planned(local.config).timeline
    seconds, events = timed_up(local)
    measured = spans(steps(events, state(local)))
    print(f"\n{'step':18}{'planned':>16}{'measured':>18}")
    for step in timeline.steps:
        if step.name in measured:
            begun, ended = measured[step.name]
            print(f"{step.name:18}{step.start:8.1f}{step.end:8.1f}{begun:10.1f}{ended:8.1f}")
    ratio = timeline.seconds / seconds
    print(f"{'first completion':18}{timeline.seconds:16.1f}{seconds:18.1f}   ratio {ratio:.2f}")
    local.destroy().good()
    assert set(measured) == set(RESOURCES)
    assert abs(ratio - 1) <= CLOSE_ENOUGH
