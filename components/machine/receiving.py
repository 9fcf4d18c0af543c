"""How a step's files get onto a machine."""

from __future__ import annotations

import base64

from components.machine.installation import BASE
from components.machine.machine import Machine
from components.machine.payload import FILES

# A failed command is shown with its words: a program among them would bury the sentence that says why.
_FIRST_LINE = 'IFS= read -r program && eval "$(base64 -d <<<"$program")"'


def receive_command(machine: Machine, step: str, version: str, mode: str) -> str:
    """The command line that reads receive.sh and then a step from standard input, and runs it."""
    words = ["bash", "-c", _FIRST_LINE, "receive", machine.stack, step, version, mode]
    if machine.installation.base != BASE:
        words.append(machine.installation.base)
    return machine.as_root(words)


def receive_stdin(packed: str) -> str:
    """What `receive_command` wants on its standard input: receive.sh as one line of base64, then the step's files."""
    return base64.b64encode((FILES / "receive.sh").read_bytes()).decode() + "\n" + packed
