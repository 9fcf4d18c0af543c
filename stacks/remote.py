"""A command on one of a stack's machines, for programs that run outside Pulumi."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

CONNECT_SECONDS = 15
"""Until a machine that doesn't answer is given up."""
OPTIONS = ("BatchMode=yes", f"ConnectTimeout={CONNECT_SECONDS}", "ServerAliveInterval=15", "ServerAliveCountMax=3")


@dataclass(frozen=True)
class Reply:
    """What a machine answered.

    Attributes:
        text: what the command wrote to its standard output.
        error: why it failed, in its last words; empty when it did not.
        code: the command's exit code; ssh's own is 255, and 124 says that the time was over.
    """

    text: str
    error: str
    code: int = 0


def over_ssh(ssh: str, words: Sequence[str]) -> list[str]:
    """The words of a command on a machine.

    Args:
        ssh: a command line that opens the machine, as the stack's output `machines` has it.
        words: the command's own.
    """
    # As a shell would: a key may be named by a variable.
    program, *rest = (os.path.expandvars(word) for word in shlex.split(ssh))
    return [program, *(each for option in OPTIONS for each in ("-o", option)), *rest, shlex.join(words)]


def run_on(ssh: str, words: Sequence[str], stdin: bytes, seconds: float | None = None, *, shown: bool = False) -> Reply:
    """Runs a command over SSH.

    Args:
        ssh: as for `over_ssh`.
        words: the command's own.
        stdin: its standard input.
        seconds: after which it is ended; None for never.
        shown: what it writes to standard error goes to ours, as it comes.
    """
    try:
        done = subprocess.run(
            over_ssh(ssh, words),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Reply("", f"no answer within {seconds:g} s", 124)
    # As bytes: text would make lines of a progress bar's carriage returns.
    why = ((done.stderr or b"").decode(errors="replace").strip().splitlines() or ["no answer"])[-1]
    return Reply(done.stdout.decode(errors="replace"), why if done.returncode else "", done.returncode)
