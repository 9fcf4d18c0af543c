"""What this program does when it is interrupted: it ends, without a word."""

from __future__ import annotations

import os
import signal
import sys

SHOWN = 32
"""The exit code by which Pulumi's language host knows that the user has seen the reason (pulumi-language-python)."""


def end_quietly() -> None:
    """Ends the program at an interrupt at once, where Python would show a page of traceback.

    The language host interrupts it whenever an `up` fails or is cancelled, and the engine says why.
    """

    def end(*_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(SHOWN)

    signal.signal(signal.SIGINT, end)
