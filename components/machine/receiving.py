"""How a step's files get onto a machine."""

from __future__ import annotations

from components.machine.installation import BASE
from components.machine.machine import Machine
from components.machine.payload import FILES


def receive_command(machine: Machine, step: str, version: str, mode: str) -> str:
    """The command line that reads a step from standard input and runs it."""
    receive = (FILES / "receive.sh").read_text()
    words = ["bash", "-c", receive, "receive", machine.stack, step, version, mode]
    if machine.installation.base != BASE:
        words.append(machine.installation.base)
    return machine.as_root(words)
