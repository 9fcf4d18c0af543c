"""Watches over a process that watches over others: one that is stopped is ended and begins anew.

The guard itself is looked after by its child. Needs nothing but Python 3.8 on Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

import stall_detector
from group import say

STOPPED = 10.0
"""Seconds that the child is stopped before it is ended."""
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
ENDS = (signal.SIGTERM, signal.SIGINT)
LIBC = ctypes.CDLL(None, use_errno=True)


def guarded(rank: int) -> str:
    """Returns in a child, with why the one before it was ended; empty for the first. The caller never returns.

    Orphans among the child's descendants become the caller's, who takes in the dead: a dead process that nobody took in
    still counts as one of its group.
    """
    LIBC.prctl(SET_CHILD_SUBREAPER, 1)
    why = ""
    while True:
        child = os.fork()
        if not child:
            for number in ENDS:
                signal.signal(number, signal.SIG_DFL)
            LIBC.prctl(SET_PDEATHSIG, signal.SIGTERM)
            threading.Thread(target=_look_after, args=(os.getppid(),), daemon=True).start()
            return why
        _watch(child)
        why = f"the supervisor of rank {rank} was stopped for {STOPPED:.0f} s (SIGSTOP), so it was started again"
        say(f"{why}, with its engine")
        # The engine's API before its ranks, for which it would answer with its own errors.
        for pid in stall_detector.tree([child]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def _watch(child: int) -> None:
    """Returns when it is stopped; ends as the child ends."""

    def hand_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in ENDS:
        signal.signal(number, hand_on)
    since = 0.0
    while True:
        pid = -1
        while pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
                sys.stdout.flush()
                os._exit(code)
        since = (since or time.monotonic()) if stall_detector.state(child) in stall_detector.HOLDS else 0.0
        if since and time.monotonic() - since > STOPPED:
            return
        time.sleep(0.2)


def _look_after(guard: int) -> None:
    """A guard that is stopped goes on."""
    while os.getppid() == guard:
        if stall_detector.state(guard) in stall_detector.HOLDS:
            say("what guards the supervisor was stopped (SIGSTOP); it goes on")
            with contextlib.suppress(OSError):
                os.kill(guard, signal.SIGCONT)
        time.sleep(STOPPED)
