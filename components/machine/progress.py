"""What long steps are at, as lines that move beside their component in `pulumi up`, and stand nowhere afterwards.

Pulumi's command plugin shows what a command writes as it comes, and all of it once more when the command fails. So
`agent.py` writes nothing but its last sentence, and sends the lines to a socket of this program's, which shows them as
ephemeral: a line takes the place of the one before it. Where nobody listens they are written after all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pulumi

from components.machine.agent import LONGEST_LINE, progress_socket

TERMINAL, LOG = 2.0, 30.0
"""Seconds between two lines of one stage: where a person watches, and where each becomes a line of a log."""
STAGE = re.compile(r"[^\d(]*")

_parents: dict[str, pulumi.Resource] = {}


def follow(step: str, parent: pulumi.Resource) -> None:
    """From now on, lines of a step are shown beside a component."""
    _parents[step] = parent


class Lines:
    """Which lines are shown: of each step a new stage at once, and the same one now and then."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self._shown: dict[str, tuple[str, float]] = {}

    def due(self, step: str, line: str, now: float) -> bool:
        """Whether this one is shown."""
        stage = stage_of(line)
        before, at = self._shown.get(step, ("", -LOG))
        if stage == before and now - at < self.pause:
            return False
        self._shown[step] = (stage, now)
        return True


def stage_of(line: str) -> str:
    """What a line is about, without its numbers."""
    found = STAGE.match(line)
    return found[0] if found else ""


@contextlib.contextmanager
def shown(stack: str) -> Iterator[None]:
    """Shows lines as long as it lasts, in the running event loop.

    A preview has no steps, and leaves the lines of an `up` of the same stack alone.

    Args:
        stack: the deployment's own name.
    """
    if pulumi.runtime.is_dry_run():
        yield
        return
    path = Path(progress_socket(stack))
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        path.chmod(0o600)
    except OSError:  # another login's, or no such folder: agents write for themselves
        listening.close()
        yield
        return
    listening.setblocking(False)
    lines = Lines(TERMINAL if _has_terminal() else LOG)
    loop = asyncio.get_running_loop()
    loop.add_reader(listening, lambda: _receive(listening, lines))
    try:
        yield
    finally:
        loop.remove_reader(listening)
        listening.close()
        path.unlink(missing_ok=True)


def _receive(listening: socket.socket, lines: Lines) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            machine, step, line = json.loads(listening.recv(2 * LONGEST_LINE))
            name = f"{machine}-{step}"
            if lines.due(name, line, time.monotonic()):
                pulumi.log.info(f"{machine}: {line}", _parents.get(name), ephemeral=True)


def _has_terminal() -> bool:
    """Whether `pulumi` was started by somebody who watches."""
    try:
        Path("/dev/tty").open().close()
    except OSError:
        return False
    return True
