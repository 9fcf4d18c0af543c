"""A Ray cluster as the group of an engine: its accelerators are counted, its other machines looked at by Ray itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import liveness
import stall_detector
import stall_report
from group import Apart, say

WATCH = Path(__file__).with_name("ray_watch.py")
BEGINS = 45.0
"""Seconds that Ray's own program may take until its first answer."""
ANSWERS = 40.0
"""And between two."""


class RayCluster(Apart):
    """All accelerators that the engine was promised are alive in Ray.

    Args:
        accelerators: how many.
        resource: what Ray calls one.
        machines: of the cluster, by address, the first machine's first; a machine's place in there is its rank.
        kind: of accelerator.
    """

    def __init__(self, accelerators: int, resource: str, machines: dict[str, str], kind: str) -> None:
        self.wanted, self.resource = accelerators, resource
        self.machines, self.kind = machines, kind
        self.others: Others | None = None

    def reports(self) -> list[dict[str, Any]]:
        """How the other machines are, while a question has no answer."""
        if not self.silent:
            self._look_no_more()
            return []
        self.others = self.others or Others(self.machines, self.kind)
        return self.others.reports()

    def _count(self) -> int:
        """Accelerators on living nodes, asked in a process of its own: a lost head must not take us along."""
        program = (
            "import os; out = os.dup(1); os.dup2(2, 1);"  # what Ray prints there goes elsewhere
            "import ray; ray.init(address='auto', logging_level='ERROR', log_to_driver=False);"
            f"found = int(sum(n['Resources'].get({self.resource!r}, 0) for n in ray.nodes() if n['Alive']));"
            "os.write(out, str(found).encode())"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
            )
            return int(done.stdout.strip() or 0)
        except (subprocess.TimeoutExpired, ValueError):
            return 0

    def form(self) -> None:
        """Asks until all are there."""
        shown = -1
        while (now := self._count()) < self.wanted:
            if now != shown:
                shown = now
                say(f"{now} of {self.wanted} accelerators are in the cluster, waiting")
            time.sleep(2)

    def intact(self) -> bool:
        """The engine itself notices a lost actor and ends; nothing else is asked while it runs."""
        return True

    def leave(self, *, exited: bool = False) -> None:
        """Ray frees what a driver held when the driver ends."""
        self._look_no_more()

    def _look_no_more(self) -> None:
        if self.others:
            self.others.end()
        self.others = None


class Others:
    """What Ray says of the machines beside the first, in a process of its own: a lost head must not take us along."""

    def __init__(self, machines: dict[str, str], kind: str) -> None:
        self.machines, self.kind = machines, kind
        self.began = self.heard = time.monotonic()
        limit = min(stall_detector.LIMIT, liveness.LIMIT)
        self.watches = {address: stall_detector.StallDetector(kind, limit) for address in list(machines)[1:]}
        self.unanswered: dict[str, float] = {}
        self.latest: dict[str, Any] = {}
        self.reported: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, str(WATCH), kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout  # noqa: S101  # it was asked for
        for line in self.process.stdout:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            now = self.heard = time.monotonic()
            for address, watch in self.watches.items():
                seen = found.get(address)
                if seen:
                    self.unanswered.pop(address, None)
                    counters = {**seen["counters"], "said": 0.0}
                    watch.record(counters, seen["pids"], seen["held"], partial(seen.get, "busy"))
                else:
                    self.unanswered.setdefault(address, now)
            self.latest = found

    def reports(self) -> list[dict[str, Any]]:
        """One of each machine that stands still, and of each that did and does no more."""
        now, found = time.monotonic(), []
        late = now - self.heard > (ANSWERS if self.latest else BEGINS)
        for rank, (address, machine) in enumerate(self.machines.items()):
            entry = {"rank": rank, "machine": machine, "data": -1, "seconds": 0}
            if not rank:
                if late:
                    entry.update(seconds=round(now - self.heard), kind="held", where=_services())
            elif address in self.unanswered and not late:
                seconds = round(now - self.unanswered[address]) + 1
                entry.update(
                    seconds=seconds, kind="held", where="Ray on it gives no answer: its raylet stands or is gone"
                )
            elif self.latest.get(address):
                watch, seen = self.watches[address], self.latest[address]
                if seen["held"]:  # for as long as the question waits: Ray began to look later
                    entry.update(seconds=round(now - self.began) + 1, kind="held", where=seen["where"])
                else:
                    entry = stall_report.report((rank, machine, -1), watch, [], silent=True, where=seen["where"])
            if entry["seconds"] or rank in self.reported:
                found.append(entry)
                (self.reported.add if entry["seconds"] else self.reported.discard)(rank)
        return found

    def end(self) -> None:
        """No more of it."""
        self.process.kill()
        self.process.wait(10)


def _services() -> str:
    """Why the first machine's Ray gives no answer, as far as it is seen here."""
    return f"Ray on it gives no answer: {stall_detector.where(stall_detector.services())}"
