"""The report of one stack, put together and written."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.alicloud.api import ApiError
from components.benchmark.record import records, report_file, write
from planner import Plan
from stacks.cost import Cost, cost
from stacks.planning import unplanned
from stacks.project import full_name
from stacks.report.actual_timeline import rows
from stacks.report.machines import MachineState, query_machines
from stacks.report.page import Report, page
from stacks.report.state import Difference, StateError, differences, facts, resources
from stacks.settings.stack import Settings

FETCHER = "fetcher"
"""The machine that serves nothing."""


def write_report(
    stack: str,
    settings: Settings,
    plan: Plan | None,
    outputs: Mapping[str, Any],
    *,
    look_for_differences: bool = False,
    config_file: Path | None = None,
) -> tuple[Path, Cost | None]:
    """Asks state, machines and account, and writes the page; what gives no answer is said there.

    Args:
        stack: its name.
        settings: its settings.
        plan: their plan.
        outputs: `apiUrl` of the stack, if there is one, and `machines`; without these no machine is looked at.
        look_for_differences: runs a preview with refresh, which `pulumi up` itself can't.
        config_file: where the stack's file isn't Pulumi.<stack>.yaml.

    Returns:
        The page's file, and what the stack has cost, where that is known.
    """
    own = full_name(stack)
    notes: list[str] = []
    found: list[dict[str, Any]] = []
    differing: list[Difference] | None = None
    spent: Cost | None = None
    with ThreadPoolExecutor(1) as pool:
        state = pool.submit(resources, stack)  # Pulumi's command line starts while the account is asked
        if settings.cloud:
            try:
                spent = cost(settings.cloud, own)
            except ApiError as error:
                notes.append(f"costs are not known: {error}")
        try:
            found = state.result()
            differing = differences(stack, config_file) if look_for_differences else None
        except StateError as error:
            notes.append(str(error))
    prepared = {name: said for name, said in facts(found).items() if name != FETCHER}
    order = list(prepared)  # that of the ranks; outputs come by name
    ssh: Mapping[str, str] = outputs.get("machines") or {}
    reached = {name: ssh[name] for name in sorted(ssh, key=lambda n: order.index(n) if n in order else len(order))}
    folder = settings.native.folder if settings.runtime == "native" else ""
    machines = (
        query_machines(reached, own, folder) if reached else [MachineState(name, "", (), (), "") for name in order]
    )
    report = Report(
        stack=stack,
        made=datetime.now(UTC),
        url=str(outputs.get("apiUrl") or ""),
        model=settings.model.name,
        plan=plan,
        unplanned="" if plan else unplanned(settings) or "",
        timeline=rows(plan, found),
        machines=machines,
        looked=bool(reached),
        facts=prepared,
        benchmarks=records(own),
        cost=spent,
        differences=differing,
        notes=notes,
    )
    file = report_file(own)
    write(file, settings.secrecy.redacted(page(report)))
    return file, spent
