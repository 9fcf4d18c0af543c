"""Recognising a process after this tool was restarted: a process id alone may be someone else's by then."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from localcloud.errors import LocalCloudError
from localcloud.system.records import Record

RTMIN = 34  # glibc's SIGRTMIN on Linux; Python has it only there, and this package explains itself elsewhere


@dataclass(frozen=True)
class ProcessRecord(Record):
    """A process by its id, the moment it started (clock ticks since boot) and the boot it belongs to."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, name: str, pid: int) -> Self:
        """The record of a living process; raises ProcessLookupError when there is none."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        return cls(name, pid, stat[1], _boot_id())

    def alive(self) -> bool:
        """Whether this very process still runs."""
        stat = _stat(self.pid)
        return stat is not None and stat == ("alive", self.start_ticks) and self.boot_id == _boot_id()

    def signal(self, number: int) -> None:
        """Sends a signal to this process and to no other that might have its number now."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)

    def ended(self, seconds: float) -> bool:
        """Waits until the process is gone; False when it still runs after that time."""
        return wait_until(lambda: not self.alive(), seconds)


def descendants(pid: int) -> Iterator[int]:
    """All processes below that one, parents first, as /proc shows them now."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield child
        yield from descendants(child)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Looks every 20 ms whether a condition holds; False when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def require(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Waits like wait_until; raises LocalCloudError with that sentence when the time is over."""
    if not wait_until(condition, seconds):
        raise LocalCloudError(otherwise)


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): after the name in brackets come the state (field 3) and, in field 22, the start time.
    rest = text.rpartition(")")[2].split()
    return ("gone" if rest[0] in "ZXx" else "alive", int(rest[19]))


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
