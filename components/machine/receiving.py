"""How a step's files get onto a machine."""

from __future__ import annotations

from components.machine.machine import BASE, Machine
from components.machine.payload import FILES


def receive_command(machine: Machine, stack: str, step: str, version: str, mode: str) -> str:
    """The command line that takes a step from standard input and runs it."""
    receive = (FILES / "receive.sh").read_text()
    words = ["bash", "-c", receive, "receive", stack, step, version, mode]
    if machine.base != BASE:
        words.append(machine.base)
    return machine.as_root(words)
