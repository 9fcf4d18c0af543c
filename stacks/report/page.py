"""The report as one file of HTML without outside parts: light and dark, for a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from components.benchmark.record import Record
from planner import Plan
from planner.page import drawn, templates
from planner.pluralize import pluralize
from stacks.cost import Cost
from stacks.report.actual_timeline import Row
from stacks.report.machines import Event, MachineState
from stacks.report.state import Difference

ENVIRONMENT = templates(Path(__file__).parent)
ENVIRONMENT.filters["pluralize"] = pluralize
TEMPLATE, _ = (ENVIRONMENT.get_template(name) for name in ("report.html.j2", "page.html.j2"))
"""Compiled with this module, which a program loads while it waits for something else; so is the one that it extends."""


@dataclass(frozen=True)
class Report:
    """What there is to tell.

    Attributes:
        stack: its name.
        made: when.
        url: the API's base; empty before the first completion.
        model: its served name.
        plan: None where there is none.
        unplanned: why there is none.
        timeline: steps, planned and happened.
        machines: as they are.
        looked: whether machines were asked what runs and has happened.
        facts: what each said of itself as it was prepared.
        benchmarks: records, oldest first.
        cost: None for machines of one's own, or where it could not be asked for.
        differences: from the declared state; None where nobody looked.
        notes: what could not be found out, a sentence each.
    """

    stack: str
    made: datetime
    url: str
    model: str
    plan: Plan | None
    unplanned: str = ""
    timeline: Sequence[Row] = ()
    machines: Sequence[MachineState] = ()
    looked: bool = True
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    benchmarks: Sequence[Record] = ()
    cost: Cost | None = None
    differences: Sequence[Difference] | None = None
    notes: Sequence[str] = ()


def page(report: Report) -> str:
    """The page's text."""
    plan: dict[str, Any] = drawn(report.plan) if report.plan else {"plan": None, "machines": []}
    ranks = plan["machines"]
    measured = [record for record in report.benchmarks if record["levels"]]
    whole = max((span.end for row in report.timeline for span in (row.planned, row.happened) if span), default=1.0)
    return TEMPLATE.render(
        **plan,
        report=report,
        cells={seen.name: ranks[n][1] for n, seen in enumerate(report.machines) if n < len(ranks)},
        measured=measured[-1] if measured else None,
        failed=report.benchmarks[-1] if report.benchmarks and not report.benchmarks[-1]["levels"] else None,
        fastest=max((level["tokens_per_second"] for level in measured[-1]["levels"]), default=0) if measured else 0,
        levels=_levels(measured[-1]) if measured else [],
        whole=whole,
        first=next((row.happened.end for row in report.timeline if row.happened and row.name == "completion"), None),
        events=_events(report.machines),
    )


def _levels(record: Record) -> list[dict[str, Any]]:
    """A bar a level: tokens a second, and the plan's bound, in percent of the largest of both."""
    largest = max(
        max(level["tokens_per_second"], level["planned"].get("tokens_per_second", 0)) for level in record["levels"]
    )
    return [
        {
            **level,
            "width": 100 * level["tokens_per_second"] / largest,
            "bound": 100 * level["planned"]["tokens_per_second"] / largest if level["planned"] else None,
        }
        for level in record["levels"]
    ]


def _events(machines: Sequence[MachineState]) -> list[Event]:
    """Each once, by time, those without one last; every rank's supervisor knows of the same."""
    found = {(event.time, event.text): event for seen in machines for event in seen.events}
    return sorted(found.values(), key=lambda event: event.time or "9")
