"""When each step of a deployment happened, from the times that Pulumi's state keeps; beside the plan. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from planner import Plan

Resources = Sequence[Mapping[str, Any]]
"""`deployment.resources` of a stack's export."""


@dataclass(frozen=True)
class Group:
    """Steps that a reader sees as one.

    Attributes:
        name: as the report has it.
        planned: the planner's steps, by name.
        resources: names of the resources that are created in it.
    """

    name: str
    planned: tuple[str, ...]
    resources: str


GROUPS = (
    Group("network", ("network",), r"network-.*|key|guard"),
    Group("storage", ("storage",), r"storage-.*"),
    Group("fetcher machine", ("fetcher machine",), r"fetcher-(instance|lease.*)"),
    Group("weights", ("client", "download"), r"fetcher-(prepare|egress).*|.*-weights-(run|done)"),
    Group("machines", ("machines",), r".*-instance|.*-lease"),
    Group("hosts", ("driver", "host"), r".*-(prepare|egress|docker|names|firewall)(-run|-done)?"),
    Group("image", ("image", "packages"), r".*-(image|environment|engine-whole)(-run|-done)?|engine-same.*"),
    Group("cluster", ("cluster",), r".*-ray(-.*)?"),
    Group("engine", ("engine", "load", "graphs"), r".*-engine(-ready)?(-run|-done)?"),
    Group("completion", ("completion",), r".*-gateway.*|answer-.*"),
    Group("benchmark", (), r".*benchmark.*"),
)
"""The first that fits counts."""


@dataclass(frozen=True)
class Span:
    """From when to when.

    Attributes:
        start: seconds from the beginning.
        end: seconds from the beginning.
    """

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.start


@dataclass(frozen=True)
class Row:
    """A group, planned and happened; None where it is not in the plan, or has not happened.

    Attributes:
        name: the group's.
        planned: by the plan.
        happened: by the state.
    """

    name: str
    planned: Span | None
    happened: Span | None


def rows(plan: Plan | None, resources: Resources) -> list[Row]:
    """What there is to tell, in the order of what happened, else of what was planned."""
    planned, seen = _planned(plan), happened(resources)
    found = [Row(g.name, planned.get(g.name), seen.get(g.name)) for g in GROUPS if {g.name} & {*planned, *seen}]
    return sorted(found, key=lambda row: (row.happened or row.planned or Span(0, 0)).start)


def happened(resources: Resources) -> dict[str, Span]:
    """Each group from the first start to the last end, in seconds after the first resource was declared.

    The state knows when a resource was there. It began when the last of those was there that it waits for.
    """
    known = {each["urn"]: _time(each["created"]) for each in resources if each.get("created")}
    if not known:
        return {}
    began = min(known.values())
    custom = {each["urn"] for each in resources if each.get("custom")}
    first, before_it = _first_completion(resources, known), needs(resources)
    found: dict[str, Span] = {}
    for each in resources:
        urn, name = each["urn"], each["urn"].rsplit("::", 1)[-1]
        group = next((g.name for g in GROUPS if re.fullmatch(g.resources, name)), None)
        # What was replaced since is there later than what waited for it.
        if group is None or urn not in custom or urn not in known or (known[urn] > first and group != "benchmark"):
            continue
        waited = [known[need] for need in before_it[urn] if need in known and known[need] <= known[urn]]
        start, end = (max(waited, default=began) - began).total_seconds(), (known[urn] - began).total_seconds()
        before = found.get(group, Span(start, end))
        found[group] = Span(min(before.start, start), max(before.end, end))
    return found


def needs(resources: Resources) -> dict[str, set[str]]:
    """URNs of what each resource waits for; a component stands for all that is in it."""
    custom = {each["urn"] for each in resources if each.get("custom")}
    children: dict[str, list[str]] = {}
    for each in resources:
        children.setdefault(each.get("parent", ""), []).append(each["urn"])

    @functools.cache
    def within(urn: str) -> frozenset[str]:
        if urn in custom:
            return frozenset({urn})
        return frozenset(inner for child in children.get(urn, []) for inner in within(child))

    found = {}
    for each in resources:
        named = {*each.get("dependencies", [])}
        named.update(*(each.get("propertyDependencies") or {}).values())
        if provider := each.get("provider"):
            named.add(provider.rsplit("::", 1)[0])
        found[each["urn"]] = {inner for urn in named for inner in within(urn)} - {each["urn"]}
    return found


def _first_completion(resources: Resources, known: Mapping[str, datetime]) -> datetime:
    answers = [
        known[each["urn"]] for each in resources if each["urn"].endswith("::answer-asked") and each["urn"] in known
    ]
    return max(answers, default=max(known.values()))


def _planned(plan: Plan | None) -> dict[str, Span]:
    found = {}
    for group in GROUPS:
        steps = [step for step in plan.timeline.steps if step.name in group.planned] if plan else []
        if steps:
            found[group.name] = Span(min(step.start for step in steps), max(step.end for step in steps))
    return found


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
