"""Processor time and memory of a deployment's programs, as this computer's kernel counts them.

The machines' processes are seen from here; a container's or a unit's are found by the cgroup that systemd or Docker
made for them. A process that has ended counts in its parent's time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.system.processes import descendants

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """By some processes together.

    Attributes:
        seconds: of a processor, user's and kernel's.
        mib: resident memory of their own, and their share of what they have in common (PSS).
    """

    seconds: float
    mib: float


def processes(root: int) -> dict[int, str]:
    """Each process below a machine's first one, with its cgroup and command line in one text."""
    texts = {}
    for pid in (root, *descendants(root)):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            texts[pid] = Path(f"/proc/{pid}/cgroup").read_text() + words
        except OSError:
            continue
    return texts


def used(root: int, programs: Mapping[str, str]) -> dict[str, Used]:
    """What each program of a machine has used.

    Args:
        root: the machine's first process, as this computer numbers it.
        programs: by name what is searched in a process' cgroup and command line.
    """
    texts = processes(root)
    return {
        name: total([pid for pid, text in texts.items() if re.search(pattern, text)])
        for name, pattern in programs.items()
    }


def total(pids: list[int]) -> Used:
    """Of these processes; one that ends meanwhile is left out."""
    seconds, kib = 0.0, 0
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            shares = re.search(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        except OSError:
            continue
        seconds += sum(int(word) for word in words[11:15]) / TICK
        kib += int(shares[1]) if shares else 0
    return Used(seconds, kib / 1024)
