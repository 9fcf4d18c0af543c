"""What a deployment does beside what its plan says: the benchmark at `up`, the report, and their outputs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pulumi

from components.benchmark import Benchmark
from components.benchmark.record import Planned, Record, lines, report_file, save
from components.gateway import Answer
from components.host import Host
from components.serving import Replica
from planner import Plan, ReservedEstimate
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


def load_report() -> None:
    """Imports what `report` needs, a template engine and its templates, while the account and the engine are asked."""
    if not pulumi.runtime.is_dry_run():
        threading.Thread(target=import_module, args=("stacks.report.write_report",), daemon=True).start()


async def report(settings: Settings, outputs: Mapping[str, pulumi.Output[Any]]) -> dict[str, Any]:
    """Writes the report of what is there now, without a look at machines: an `up` without changes logs in nowhere.

    Args:
        settings: the stack's.
        outputs: its outputs, settled.

    Returns:
        The output `report`: the page's path on this computer.
    """
    own = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    found = {"report": str(report_file(own))}
    if pulumi.runtime.is_dry_run():
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
