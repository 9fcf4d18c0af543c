"""From the engine's events and the state to a timeline and its critical path. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.report.actual_timeline import needs


@dataclass(frozen=True)
class Step:
    """One resource's operation.

    Attributes:
        urn: the resource.
        start: seconds after `pulumi up` began.
        end: seconds after `pulumi up` began.
        needs: URNs of the steps that had to end before this one could start.
    """

    urn: str
    start: float
    end: float
    needs: frozenset[str]

    @property
    def name(self) -> str:
        """The resource's Pulumi name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def seconds(self) -> float:
        """The step's own time."""
        return self.end - self.start


def steps(events: Iterable[tuple[float, Mapping[str, Any]]], resources: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Joins when things happened with what they depend on.

    Args:
        events: (seconds, event) of the engine's event log.
        resources: `deployment.resources` of a stack's export.

    Returns:
        The steps of resources that have a provider, by start; components take no time of their own.
    """
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for at, event in events:
        if "resourcePreEvent" in event:
            begun.setdefault(event["resourcePreEvent"]["metadata"]["urn"], at)
        elif "resOutputsEvent" in event:
            ended[event["resOutputsEvent"]["metadata"]["urn"]] = at
    custom = {r["urn"] for r in resources if r.get("custom")}
    waited = needs(resources)
    found = []
    for resource in resources:
        urn = resource["urn"]
        if urn not in custom or urn not in begun or urn not in ended:
            continue
        found.append(Step(urn, begun[urn], ended[urn], frozenset(waited[urn])))
    return sorted(found, key=lambda s: (s.start, s.urn))


def critical_path(all_steps: Sequence[Step]) -> list[Step]:
    """The chain of dependent steps whose own times add up to most, first to last."""
    by_urn = {s.urn: s for s in all_steps}
    best: dict[str, tuple[float, Step | None]] = {}

    def total(step: Step) -> float:
        if step.urn not in best:
            before = [by_urn[n] for n in step.needs if n in by_urn]
            last = max(before, key=total, default=None)
            best[step.urn] = (step.seconds + (total(last) if last else 0.0), last)
        return best[step.urn][0]

    path: list[Step] = []
    at = max(all_steps, key=total, default=None)
    while at is not None:
        path.append(at)
        at = best[at.urn][1]
    return path[::-1]


def waited_for(step: Step, all_steps: Sequence[Step]) -> Step | None:
    """The dependency that ended last."""
    return max((s for s in all_steps if s.urn in step.needs), key=lambda s: s.end, default=None)


def table(all_steps: Sequence[Step]) -> str:
    """The timeline as text; a star marks the critical path."""
    critical = set(critical_path(all_steps))
    lines = [f"{'':2}{'step':36}{'start':>8}{'end':>8}{'own':>8}  waited for"]
    for step in all_steps:
        last = waited_for(step, all_steps)
        lines.append(
            f"{'* ' if step in critical else '  '}{step.name:36}{step.start:8.1f}{step.end:8.1f}{step.seconds:8.1f}"
            f"  {last.name if last else '-'}"
        )
    return "\n".join(lines)
