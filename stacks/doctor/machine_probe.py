"""Sends `files/machine_state.py` to a machine and reads what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.machine.standalone import sudo_stdin, sudo_words
from stacks.doctor.addresses import Place, folder_of
from stacks.doctor.egress_targets import ways_of
from stacks.doctor.stack import Stack
from stacks.remote import run_on
from stacks.settings import ports
from stacks.settings.weights import all_weights

FILES = Path(__file__).parent / "files"
HOST_FILES = Path(__file__).parents[2] / "components/host/files"
MODULES = (
    *(HOST_FILES / name for name in ("pci.py", "ports.py", "weights_listing.py")),
    *(FILES / name for name in ("weights.py", "packet_loss.py", "machine_state.py")),
)
"""In the order in which they import each other."""
WRITTEN = ("/", "/tmp", "/var/log")  # noqa: S108  # folders that programs of a machine write to, looked at only
LOOK_SECONDS = 45.0
"""A machine's own deadline for its facts."""
SSH_SECONDS = LOOK_SECONDS + 20


@dataclass(frozen=True)
class MachineReply:
    """What a machine said.

    Attributes:
        error: why it said nothing; empty when it did.
        facts: what machine_state.py found, by name.
        late: facts that didn't come in time.
        failed: why others could not be read.
        clock: seconds by which its clock is surely off from this computer's; 0 where they may agree.
    """

    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    late: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)
    clock: float = 0.0


def query_machine(stack: Stack, place: Place, places: Sequence[Place]) -> MachineReply:
    """Asks a machine for its facts."""
    sent = {
        "modules": {file.stem: file.read_text() for file in MODULES},
        "call": _call(stack, place, places),
    }
    root = {
        "user": place.user,
        "root": not stack.native,
        "sudo_password": stack.values.get("sudoPassword"),
    }
    words = [
        *sudo_words(root),
        "bash",
        "-c",
        (FILES / "start.sh").read_text(),
        "doctor",
        folder_of(stack),
        (FILES / "run.py").read_text(),
    ]
    before = time.time()
    reply = run_on(place.ssh, words, (sudo_stdin(root) + json.dumps(sent)).encode(), SSH_SECONDS)
    after = time.time()
    if reply.error:
        return MachineReply(reply.error)
    try:
        looked = json.loads(reply.text)
    except ValueError:
        return MachineReply(f"it answered with something else than facts: {reply.text[:100]!r}")
    return MachineReply(
        "",
        {k: v for k, v in looked.items() if k not in ("late", "failed")},
        looked["late"],
        looked["failed"],
        clock_offset(before, after, looked["began"], looked["ended"]),
    )


def clock_offset(before: float, after: float, began: float, ended: float) -> float:
    """Seconds by which a clock is surely off, from four readings in the order in which they were taken.

    Args:
        before: this computer's, when it asked.
        after: this computer's, when it had the answer.
        began: the machine's, when it was asked.
        ended: the machine's, when it answered.
    """
    if began < before:
        return began - before
    return ended - after if ended > after else 0.0


def _call(stack: Stack, place: Place, places: Sequence[Place]) -> dict[str, Any]:
    settings = stack.settings
    call: dict[str, Any] = {
        "stack": stack.full,
        "folder": folder_of(stack),
        "native": stack.native,
        "seconds": LOOK_SECONDS,
        "peers": _peers(place, places),
        "fetch": [],
        "mount": "/nowhere",
        "weights": [],
        "ports": [],
        "nvidia": "",
        "firewall": False,
        "path": list(WRITTEN),
    }
    if settings is None:
        return call
    call["mount"] = settings.storage.folder
    whole = stack.named("answer-asked") is not None
    call["fetch"] = [url for way in ways_of(settings, place, whole=whole) for url in way.urls]
    if place.number is None:
        return call
    nvidia = [HOST_FILES / "nvidia_state.sh", FILES / "nvidia.sh"] if settings.accelerator.kind == "nvidia" else []
    return call | {
        "weights": [each.folder for each in all_weights(settings).values()],
        "ports": [f"{one.setting}={one.span}" for one in ports.of_machine(settings, place.number)],
        "nvidia": "".join(file.read_text() for file in nvidia),
        "firewall": has_firewall(stack),
    }


def _peers(place: Place, places: Sequence[Place]) -> dict[str, dict[str, Any]]:
    """Where the others that serve are; the fetcher needs none of them."""
    return {
        each.name: {"address": each.peer_address, "port": each.port}
        for each in places
        if None not in (place.number, each.number) and each.name != place.name and each.peer_address
    }


def has_firewall(stack: Stack) -> bool:
    """Whether the machines' own tables keep inner ports closed."""
    settings = stack.settings
    return (
        settings is not None
        and (settings.platform, settings.runtime) == ("hosts", "docker")
        and settings.firewall.enabled
    )
