"""Runs Ray on a machine, and ends it when one of its own processes is stopped, so that it is started again.

    ray_guard.py ray start --block ...

`ray start --block` ends as soon as raylet or gcs_server has ended, and whoever runs us starts it again. One that is
stopped (SIGSTOP, a debugger) has not ended: Ray counts the machine as lost, or waits, and it never comes back.
Needs nothing but Python 3.8 on Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

STOPPED = 10.0
"""Seconds that one is stopped before it is ended."""
SERVICES = ("raylet", "gcs_server")
SET_CHILD_SUBREAPER = 36  # prctl(2)


def descendants(root: int) -> dict[int, tuple[str, str]]:
    """The program's name and the kernel's letter of each process below one, by pid."""
    children: dict[int, list[int]] = {}
    known: dict[int, tuple[str, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                name, words = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
                letter, parent = words.split()[:2]
                children.setdefault(int(parent), []).append(int(entry.name))
                known[int(entry.name)] = (name, letter)
    found = list(children.get(root, []))
    for pid in found:
        found += children.get(pid, [])
    return {pid: known[pid] for pid in found}


def main() -> None:
    """Until Ray ends."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)  # Ray's processes stay below us when who began them ends
    ray = subprocess.Popen(sys.argv[1:])

    def hand_on(number: int, _: FrameType | None) -> None:
        ray.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    since: dict[int, float] = {}
    while ray.poll() is None:
        with contextlib.suppress(ChildProcessError):
            # Orphans that are dead; poll() takes in Ray itself.
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found and found.si_pid != ray.pid:
                os.waitpid(found.si_pid, 0)
                continue
        now = time.monotonic()
        names = {
            p: name for p, (name, letter) in descendants(os.getpid()).items() if letter in "Tt" and name in SERVICES
        }
        since = {pid: since.get(pid, now) for pid in names}
        for pid, name in names.items():
            if now - since[pid] > STOPPED:
                print(
                    f"tandem: {name} was stopped for {STOPPED:.0f} s (SIGSTOP); Ray here is started again", flush=True
                )
                os.kill(pid, signal.SIGKILL)
        time.sleep(1)
    sys.exit(ray.returncode if ray.returncode >= 0 else 128 - ray.returncode)


if __name__ == "__main__":
    main()
