"""What programs read of a rank and, on the first, of all others: a file of its own, apart from the log.

`exit` and `exits` are of engines that ended by themselves; `stalled` has the ranks that give no sign, or none but that
they compute; `stalls` those that stood still once the engine served, `at` when this was last written.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

STALLS, HOUR = 3, 3600.0


class State:
    """What programs read of this rank and, on the first, of all others: a file of its own, apart from the log."""

    def __init__(self, rank: int, machine: str, folder: Path | None = None, accelerator: str = "cpu") -> None:
        self.rank, self.machine, self.accelerator = rank, machine, accelerator
        self.file = folder / "group.json" if folder else None
        self.known: dict[str, Any] = {"attempt": 0, "exits": 0, "error": "", "exit": None, "stalled": {}}
        self.known["stalls"] = []
        if self.file:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.known["exits"] = int(json.loads(self.file.read_text())["exits"])
        self.write()

    def ended(self, why: str) -> None:
        """Our own process was ended by its guard; it is reported as a stall, and doesn't count towards giving up."""
        self.write(ended={"time": time.time(), "why": why, "rank": self.rank, "machine": self.machine})

    def write(self, **changed: object) -> None:
        """Keeps it, whole or not at all."""
        self.known.update(changed)
        if self.file:
            with contextlib.suppress(OSError):  # a read-only folder is no reason to serve nothing
                new = self.file.with_suffix(".new")
                new.write_text(json.dumps(self.known))
                new.replace(self.file)

    def exited(self, report: dict[str, Any]) -> None:
        """An engine ended by itself, here or elsewhere; of one attempt the first one counts."""
        if (self.known["exit"] or {}).get("attempt") != self.known["attempt"]:
            now = {"attempt": self.known["attempt"], "time": time.time()}
            self.write(exits=self.known["exits"] + 1, exit={**report, **now})

    def add_stall(self, found: dict[str, Any]) -> None:
        """The engine served and made no tokens any more; `found` as stall_report.py has it."""
        self.write(stalls=[*self.known["stalls"], {"time": time.time(), **found}][-STALLS:])

    def gives_up(self) -> bool:
        """Whether that has happened too often."""
        stalls = self.known["stalls"]
        return len(stalls) == STALLS and time.time() - float(stalls[0]["time"]) < HOUR

    def set_stalled(self, report: dict[str, Any]) -> None:
        """A rank gives no sign, or does again."""
        ranks, name = dict(self.known["stalled"]), key(report)
        ranks.pop(name, None)
        if report.get("seconds"):
            ranks[name] = report
        if ranks != self.known["stalled"]:
            self.write(stalled=ranks)


def key(report: dict[str, Any]) -> str:
    """Whom a report is of: a rank, or a data parallel rank on its machine."""
    return f"{report['rank']}" if report.get("data", -1) < 0 else f"{report['rank']}.{report['data']}"
