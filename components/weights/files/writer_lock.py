"""One writer of a folder among all machines that share its storage.

The lock is a file that only one machine can create. Its holder touches it every few seconds; one that nobody touched
while it was watched has lost its holder. No clocks are compared, and no locks of the file system are needed, which an
NFS mount with `nolock` keeps on each machine alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

BEAT_SECONDS = float(os.environ.get("LOCK_BEAT_SECONDS", "5"))
LOST_BEATS = 12
"""So many beats without a touch, and the holder is gone: a minute, more than an NFS server's short absence."""


def _start_of(pid: int) -> str:
    """Field 22 of /proc/PID/stat (proc(5)): a process of the same number that began later is another."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {Path('/etc/machine-id').read_text().strip()}-{boot}"
    return f"{socket.gethostname()} {boot}"


class WriterLock:
    """Held from `acquire` to `release`, or until this process ends."""

    def __init__(self, folder: Path, say: Callable[[str], None], lost: Callable[[], None]) -> None:
        """`say` gets a line while another holds it; `lost` is called when somebody took it from us."""
        self.file = folder.parent / f".{folder.name}.lock"
        self.folder, self.say, self.lost = folder, say, lost
        self.owner = f"{_machine()} {os.getpid()} {_start_of(os.getpid())}"
        self.held = False
        self._ended = threading.Event()

    def acquire(self) -> None:
        """Waits until nobody else holds it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        while not self._create():
            self._wait_for_other()
        self.held = True
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Lets the next one in."""
        self.held = False
        self._ended.set()
        if self._holder() == self.owner:
            self.file.unlink()

    def _create(self) -> bool:
        try:
            handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        os.write(handle, self.owner.encode())
        os.fsync(handle)
        os.close(handle)
        return True

    def _holder(self) -> str:
        """Who holds it; empty when nobody does."""
        try:
            return self.file.read_text()
        except FileNotFoundError:
            return ""

    def _wait_for_other(self) -> None:
        """Returns when it is free; takes it from a holder that is gone."""
        holder, touched, seen = self._holder(), self._touched(), time.monotonic()
        words = holder.split(" ")
        here = " ".join(words[:2]) == _machine()
        while holder and self._holder() == holder:
            if here and _start_of(int(words[2])) != words[3]:
                break  # an earlier try on this very machine, which died
            if self._touched() != touched:
                touched, seen = self._touched(), time.monotonic()
            if time.monotonic() - seen > LOST_BEATS * BEAT_SECONDS:
                break
            self.say(f"{words[0]} writes {self.folder}; waiting for it")
            time.sleep(min(1.0, BEAT_SECONDS))
        # Moved away under a name of our own: of several that wait, one succeeds.
        mine = self.file.with_name(f"{self.file.name}.{socket.gethostname()}-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            if self._holder() == holder:
                self.file.rename(mine)
                mine.unlink()

    def _touched(self) -> int:
        try:
            return self.file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                if self._holder() != self.owner:
                    self.lost()
                    return
                os.utime(self.file)
            except OSError:
                continue  # the storage is away for a moment; who waits gives it a minute
