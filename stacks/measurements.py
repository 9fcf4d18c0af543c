"""What a deployment does beside what its plan says: the benchmark at `up`, the report, and their outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from components.benchmark import Benchmark
from components.benchmark.record import Planned, Record, lines, report_file, save
from components.gateway import Answer
from components.host import Host
from components.serving import Replica
from planner import Plan, ReservedEstimate
from stacks.changes import Changes
from stacks.planning import plan_for
from stacks.settings.stack import Settings


def measure(
    settings: Settings, plan: Plan | None, *, head: Host, engine: Replica, answer: Answer
) -> dict[str, pulumi.Output[Any]]:
    """Puts load on the engine after its first completion, where `benchmark` says so.

    Returns:
        The output `measured`: components/benchmark/record.py has its fields.
    """
    if settings.benchmark == "off":
        return {}
    found = Benchmark(
        "benchmark",
        host=head,
        engine=settings.serving.engine,
        container=engine.container,
        version=engine.version,
        arguments=engine.arguments.apply(lambda words: [settings.secrecy.redacted(word) for word in words]),
        mode=settings.benchmark,
        after=[answer],
    ).measured
    return {"measured": found.apply(lambda measured: _kept(measured, plan))}


def _kept(measured: Record, plan: Plan | None) -> Record:
    """The record, saved and printed by an `up`, and made anew by a preview."""
    if "levels" not in measured:
        return measured
    preview = pulumi.runtime.is_dry_run()
    own = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    record = save(own, measured, planned(plan), written=not preview)
    for line in [] if preview else lines(record):
        pulumi.log.info(line)
    return record


async def report(settings: Settings, outputs: Mapping[str, pulumi.Output[Any]], changes: Changes) -> dict[str, Any]:
    """Writes the report of what is there now, without a look at machines.

    An `up` that changed nothing leaves a report as it is, unless its benchmarks are older than the last, or what the
    stack has cost must be known for `cloud.costLimit`.

    Args:
        settings: the stack's.
        outputs: its outputs, settled.
        changes: what this `up` has changed.

    Returns:
        The output `report`: the page's path on this computer.
    """
    own = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    file = report_file(own)
    found = {"report": str(file)}
    limited = settings.cloud is not None and settings.cloud.cost_limit is not None
    if pulumi.runtime.is_dry_run() or not (changes.any or limited or _outdated(file)):
        return found
    from stacks.report.write_report import write_report

    url = None
    with contextlib.suppress(Exception):  # a failure is reported where it happened
        url = await outputs["apiUrl"].future()
    try:
        _, spent = write_report(pulumi.get_stack(), settings, plan_for(settings), {"apiUrl": url})
    except Exception as error:
        pulumi.log.warn(f"the report was not made: {error}; `make report STACK={pulumi.get_stack()}` tries again")
        return {}
    if spent and spent.warning:
        pulumi.log.warn(spent.warning)
    return found


def _outdated(file: Path) -> bool:
    """Whether something was measured since this report was written; also where there is none."""
    if not file.exists():
        return True
    return any(beside.stat().st_mtime > file.stat().st_mtime for beside in file.parent.iterdir())


def planned(plan: Plan | None) -> Planned:
    """A plan's figures of a level, for record.py."""
    estimate = plan.estimate if plan else None
    if not isinstance(estimate, ReservedEstimate):
        return lambda _: {}
    found = estimate.throughput

    def at(level: Mapping[str, Any]) -> dict[str, float]:
        streams = max(1, min(level["streams"], found.most))
        requests = found.roof.requests(streams, level["input_tokens"], level["output_tokens"], found.batch)
        return {"tokens_per_second": round(requests * level["output_tokens"], 2)}

    return at
