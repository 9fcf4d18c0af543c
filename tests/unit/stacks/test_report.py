"""The report: what it says is what is known, and the file stands alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from stacks.report.actual_timeline import GROUPS, Span, happened, rows
from stacks.report.machines import MachineState, parse
from stacks.report.page import page
from tests.support import reported


class Whole(HTMLParser):
    """Elements that are opened and not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.wrong.append(tag)


def text(**changes):
    return page(reported.report(**changes))


@pytest.fixture(scope="module")
def whole():
    return text()


def test_the_file_stands_alone_and_every_element_is_closed(whole):
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import|src=", whole)
    parser = Whole()
    parser.feed(whole)
    assert (parser.open, parser.wrong) == (["p"] * parser.open.count("p"), [])


@pytest.mark.parametrize(
    "said",
    [
        "https://203.0.113.10:8000/v1",
        "801.2 tokens/s",
        "-6.5 %",
        "CNY 77.00 an hour",
        "limit 2000",
        "PP1 TP0",
        "releases itself 2026-11-30 06:00",
        "no token for 75 s; rank 1 on node-1 gives no sign: SIGSTOP",
        "engine was started again 1 time",
        "node-1-engine",
        "2 GPUs, driver 580.95",
        "more than cloud.costLimit 2000",
    ],
)
def test_what_is_known_is_said(whole, said):
    assert said in whole


def test_of_what_is_not_known_it_says_so():
    bare = text(
        plan=None,
        unplanned="the catalog has no such model",
        cost=None,
        differences=None,
        benchmarks=[],
        timeline=[],
        machines=[],
        url="",
        notes=["costs are not known: no keys"],
    )
    for said in (
        "the catalog has no such model",
        "Nobody looked",
        "Not yet",
        "no URL yet",
        "costs are not known: no keys",
    ):
        assert said in bare


def test_a_benchmark_that_failed_is_reported_beside_the_last_that_did_not():
    failed = {**reported.benchmark(), "date": "2026-11-29T10:50:00Z", "levels": [], "error": "the engine does not run"}
    both = text(benchmarks=[reported.benchmark(), failed])
    assert "2026-11-29 10:50: the engine does not run" in both
    assert "801.2" in both


def test_where_machines_were_not_looked_at_nothing_is_claimed_of_them():
    quiet = text(looked=False, machines=[MachineState(name, "", (), (), "") for name in ("node-0", "node-1")])
    assert "not looked at" in quiet
    assert "No restart" not in quiet
    assert "PP1 TP0" in quiet.partition("The plan")[0]
    assert "eth0" in quiet


def test_names_of_users_are_no_markup():
    assert "<script>" not in text(model="<script>alert(1)</script>")


def test_each_group_lasts_from_what_it_waited_for_until_its_last_resource_was_there():
    found = happened(reported.resources())
    assert found["weights"] == Span(180, 36 * 60)
    assert found["hosts"] == Span(38 * 60, 47 * 60)
    assert found["engine"] == Span(58 * 60, 66 * 60)
    assert found["completion"] == Span(66 * 60, 67 * 60)


def test_what_was_replaced_after_the_first_completion_is_no_part_of_it():
    changed = [
        {**each, "created": "2026-11-29T10:59:00+00:00"} if each["urn"].endswith("node-0-engine-image") else each
        for each in reported.resources()
    ]
    assert happened(changed)["image"].end == 56 * 60


def test_every_step_of_a_plan_has_its_row():
    report = reported.report()
    assert report.plan
    steps = {step.name for step in report.plan.timeline.steps}
    assert steps <= {name for group in GROUPS for name in group.planned}
    assert {row.name for row in rows(report.plan, [])} == {row.name for row in report.timeline} - {"benchmark"}


def test_a_machine_that_is_not_reached_is_named():
    seen = parse("node-0", "")
    assert (seen.workloads, seen.events) == ((), ())


def test_what_does_not_run_is_an_event():
    (event,) = parse("node-0", "workload\tnode-0-engine\texited\t0\t2026-11-29T02:11:09Z\tsha256:1\n").events
    assert (event.machine, event.text) == ("node-0", "engine does not run (exited)")
