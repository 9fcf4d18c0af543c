"""The cloud stack: its critical path, an `up` with nothing changed, and what is paid before the first token.

An empty account of the local cloud each time; real provider, real machines; no GPU: accelerator `cpu`.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.bench.idle import RUNS
from tests.bench.timed import nothing_changed, state, timed_up
from tests.bench.timeline import Step, critical_path, steps, table
from tests.support.account import PUBLIC, Account

pytestmark = [pytest.mark.root, pytest.mark.engine]

SLOW_HUB = 1 << 12
"""Bytes a second of each answer of the hub: the weights then take longer than a machine's own preparation."""


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.close()


def throttle(rate: int) -> None:
    """The hub sends every weights file so slowly from now on."""
    wish = {"kind": "throttle", "path": "*safetensors*", "rate": rate, "times": 1000}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://{PUBLIC}.1:8600/depot/faults"
    opener.open(urllib.request.Request(url, json.dumps(wish).encode(), method="POST"), timeout=10).close()


def rented(found: Sequence[Step]) -> dict[str, Step]:
    """The steps that rent the machines with accelerators, by machine."""
    return {s.name: s for s in found if s.name.startswith("node-") and s.name.endswith("-instance")}


def paid(found: Sequence[Step]) -> float:
    """Machine-seconds from the order of each machine with accelerators to the first completion."""
    end = max(step.end for step in found if step.name.startswith("answer"))
    return sum(end - step.start for step in rented(found).values())


def own_work(found: Sequence[Step]) -> float:
    """Machine-seconds that renting, preparing and loading take by themselves, whatever the weights do meanwhile."""
    first = min(step.start for step in rented(found).values())
    path = critical_path([step for step in found if step.start >= first])
    return len(rented(found)) * sum(step.seconds for step in path)


def test_up_against_its_critical_path_and_once_more_with_nothing_changed(account):
    """P1: <= 1.05 of the critical path. P2: <= 2.0 of a program as large that does nothing."""
    seconds, events = timed_up(account)
    found = steps(events, state(account))
    path = critical_path(found)
    own = sum(step.seconds for step in path)
    print(f"\n{table(found)}")
    print("critical path: " + " -> ".join(f"{s.name} {s.seconds:.1f}" for s in path))
    print(f"cloud P1 up {seconds:.1f} s, critical path {own:.1f} s: ratio {seconds / own:.2f} (goal 1.05)")
    taken = []
    for _ in range(RUNS):
        began = time.monotonic()
        assert account.up().good().changed() == set()
        taken.append(time.monotonic() - began)
    nothing_changed(account, taken)
    account.destroy().good()


def test_machines_are_not_paid_for_while_weights_download(account):
    """P6: paid <= 1.1 of preparing and loading alone; beside it the order of the notes, which rents first."""
    spent = {}
    for order, changes in {
        "weights first": {},
        "machines first": {"cloud": {"createMachines": "early-start", "prepareMinutes": 120}},
    }.items():
        throttle(SLOW_HUB)
        seconds, events = timed_up(account, **changes)
        found = steps(events, state(account))
        spent[order] = paid(found)
        print(f"\n{order}: first completion after {seconds:.0f} s, {spent[order]:.0f} machine-seconds paid for before")
        if order == "weights first":
            print(f"P6 {spent[order] / own_work(found):.2f} of what preparing and loading take (goal 1.10)")
        account.destroy().good()
    assert spent["weights first"] < spent["machines first"]
