"""Whether the model is served: tokens, ranks, containers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotCheckedError, Problem, error, warning

SETTLED_SECONDS = 1800.0
"""A worker of Ray is started again until its head listens; later than this a restart has another cause."""


def tokens(evidence: Evidence) -> Iterator[Problem]:
    """Whether a completion comes back through the URL, with the stack's key."""
    why = evidence.seen("completion")
    if why:
        cause, _, remedy = why.rpartition("; ")
        yield error("serving", cause or why, remedy if cause else f"make logs STACK={evidence.stack.name} SINCE=10m")


def running(evidence: Evidence) -> Iterator[Problem]:
    """Whether containers run, and keep running."""
    said = False
    for place, found in evidence.facts("containers"):
        for each in found:
            logs = f"make logs STACK={evidence.stack.name} SINCE=30m"
            if not _declared(evidence, each["name"]):
                continue  # drift.serving says so
            said = True
            if each["oom"]:
                yield error(
                    place.name,
                    f"{each['name']} was ended for lack of memory",
                    "give the machine more memory, or the model less: serving.maxModelLen",
                )
            elif each["status"] != "running":
                code = f", exit code {each['code']}" if each["status"] == "exited" else ""
                yield error(
                    place.name,
                    f"{each['name']} is {each['status']}{code}",
                    f"docker start {each['name']} there, and {logs}",
                )
            elif each["restarts"] and _age(each) > SETTLED_SECONDS:
                yield warning(place.name, f"{each['name']} was restarted {each['restarts']} times", logs)
    if not said:
        raise NotCheckedError("nothing of the deployment is on the machines")


def _age(container: dict[str, Any]) -> float:
    """Seconds from a container's making to its last start; 0 of a process."""
    # Docker has nanoseconds and Z; 19 characters are whole seconds.
    times = [
        datetime.fromisoformat(str(container.get(name, ""))[:19] or "1970-01-01") for name in ("created", "started")
    ]
    return (times[1] - times[0]).total_seconds()


def _declared(evidence: Evidence, name: str) -> bool:
    return evidence.settings.runtime == "native" or any(
        name == f"{evidence.stack.full}-{each.name}" for each in evidence.stack.resources
    )


def ranks(evidence: Evidence) -> Iterator[Problem]:
    """Whether each rank's supervisor is content."""
    said = False
    for place, found in evidence.facts("containers"):
        for each in found:
            group: dict[str, Any] | None = each["group"]
            if group is None or each["status"] != "running":
                continue
            said = True
            yield from _rank(evidence, place.name, group)
    if not said:
        raise NotCheckedError("no rank runs")


def _rank(evidence: Evidence, machine: str, group: dict[str, Any]) -> Iterator[Problem]:
    logs = f"make logs STACK={evidence.stack.name} SINCE=1h"
    if group.get("error"):
        yield error(machine, str(group["error"]), logs)
    for rank, stalled in sorted((group.get("stalled") or {}).items()):
        where = stalled.get("machine", machine)
        yield error(
            where,
            f"rank {rank} gives no sign for {stalled.get('seconds', '?')} s",
            f"docker restart its container, and {logs}",
        )
    recent = [each for each in group.get("stalls") or [] if time.time() - float(each["time"]) < 86400]
    if recent:
        yield warning(machine, f"the engine made no tokens {len(recent)} times in a day ({recent[-1]['why']})", logs)
    if group.get("exits") and group.get("exit"):
        last = group["exit"]
        words = (last.get("words") or ["no last words"])[-1]
        yield warning(
            last.get("machine") or machine,
            f"the engine ended by itself {group['exits']} times, last with code {last.get('code')} ({words[:200]})",
            logs,
        )


def frozen(evidence: Evidence) -> Iterator[Problem]:
    """Whether a signal has stopped a process of the deployment."""
    for place, found in evidence.facts("frozen"):
        for process in found:
            pid = process.rpartition("(process ")[2].rstrip(")").partition(",")[0]
            yield error(place.name, f"{process} is stopped by a signal", f"kill -CONT {pid} there")


CHECKS = (
    Check("serving.tokens", "a completion comes back through the URL, with the stack's key", tokens),
    Check("serving.running", "containers or processes run, and were not restarted", running),
    Check(
        "serving.ranks",
        "each rank's supervisor is content: no error, none that gives no sign, none that ended",
        ranks,
    ),
    Check("serving.frozen", "no process of the deployment is stopped by a signal", frozen),
)
