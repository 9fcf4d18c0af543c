"""Machines as they are now: what runs on them, since when, and what has happened to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.machine import BASE
from planner.pluralize import pluralize
from stacks.remote import run_on

SCRIPT = Path(__file__).parents[1] / "files" / "state.sh"
MOST_MACHINES = 32
"""SSH connections at once."""


@dataclass(frozen=True)
class Workload:
    """A container or a process.

    Attributes:
        name: without machine and stack: engine, ray, gateway, webui.
        status: as Docker has it, such as running or exited.
        restarts: how often it was started again.
        started: since when, RFC 3339; empty where it isn't known.
        image: its image's id; empty without containers.
    """

    name: str
    status: str
    restarts: int
    started: str
    image: str


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time: RFC 3339; empty where nobody noted it.
        machine: where.
        text: one sentence.
    """

    time: str
    machine: str
    text: str


@dataclass(frozen=True)
class MachineState:
    """One machine.

    Attributes:
        name: in the settings.
        leased: when it was acquired, RFC 3339; empty where that isn't known.
        workloads: what runs there.
        events: what has happened to it.
        error: why nothing is known; empty where it is.
    """

    name: str
    leased: str
    workloads: tuple[Workload, ...]
    events: tuple[Event, ...]
    error: str


def query_machines(machines: Mapping[str, str], stack: str, folder: str = "") -> list[MachineState]:
    """Asks all machines at once.

    Args:
        machines: how SSH reaches each.
        stack: the deployment's own name.
        folder: of a native deployment on its machines, where it isn't ~/.tandem.
    """
    words = [stack, BASE, *([folder] if folder else [])]
    script = SCRIPT.read_bytes()
    with ThreadPoolExecutor(MOST_MACHINES) as pool:
        runs = {name: pool.submit(run_on, ssh, ["bash", "-s", "--", *words], script) for name, ssh in machines.items()}
    found = []
    for name, answer in runs.items():
        reply = answer.result()
        found.append(MachineState(name, "", (), (), reply.error) if reply.code else parse(name, reply.text))
    return found


def parse(machine: str, text: str) -> MachineState:
    """What the script wrote."""
    leased, workloads, events = "", [], []
    for line in text.splitlines():
        kind, *words = line.split("\t")
        if kind == "lease" and words[0]:
            leased = _stamp(float(words[0]))
        elif kind == "workload":
            name, status, restarts, started, image = words
            one = Workload(name.removeprefix(f"{machine}-"), status, int(restarts or 0), started[:19], image)
            workloads.append(one)
            if one.restarts:
                events.append(Event("", machine, f"{one.name} was started again {pluralize(one.restarts, 'time')}"))
            if status != "running":
                events.append(Event("", machine, f"{one.name} does not run ({status})"))
        elif kind == "group":
            events += _of_group(machine, json.loads(words[1]))
    return MachineState(machine, leased, tuple(workloads), tuple(events), "")


def _of_group(machine: str, group: Mapping[str, Any]) -> Sequence[Event]:
    """What the supervisor of the first rank tells of all."""
    found = [Event(_stamp(stall["time"]), machine, f"stall: {stall['why']}") for stall in group.get("stalls") or []]
    last = group.get("exit")
    if group.get("exits") and last:
        times, code = pluralize(group["exits"], "time"), f", exit code {last['code']}" if "code" in last else ""
        where = f"rank {last.get('rank')} on {last.get('machine')}{code}"
        found.append(Event("", machine, f"the engine has ended {times}, last {where}"))
    if group.get("error"):
        found.append(Event("", machine, str(group["error"])))
    for rank in (group.get("stalled") or {}).values():
        found.append(
            Event("", machine, f"rank {rank['rank']} on {rank['machine']} stands still for {rank['seconds']} s")
        )
    return found


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
