"""A command on one of a stack's machines, for programs that run outside Pulumi."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

CONNECT_SECONDS = 15
"""Until a machine that doesn't answer is given up."""


@dataclass(frozen=True)
class Reply:
    """What a machine answered.

    Attributes:
        text: what the command wrote to its standard output.
        error: why it failed, in its last words; empty when it did not.
    """

    text: str
    error: str


def run_on(ssh: str, words: Sequence[str], stdin: bytes, seconds: float | None = None) -> Reply:
    """Runs a command over SSH.

    Args:
        ssh: a command line that opens the machine, as the stack's output `machines` has it.
        words: the command's own.
        stdin: its standard input.
        seconds: after which it is ended; None for never.
    """
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
    # As a shell would: a key may be named by a variable.
    program, *rest = (os.path.expandvars(word) for word in shlex.split(ssh))
    try:
        done = subprocess.run(
            [program, *options, *rest, shlex.join(words)], input=stdin, capture_output=True, check=False,
            timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Reply("", f"no answer within {seconds:g} s")
    # As bytes: text would make lines of a progress bar's carriage returns.
    why = (done.stderr.decode(errors="replace").strip().splitlines() or ["no answer"])[-1]
    return Reply(done.stdout.decode(errors="replace"), why if done.returncode else "")
