"""Whether an engine that serves makes tokens: by its own counters while it works, by a small question while it doesn't.

Its health page and its API's process live on with a dead or stopped rank behind them. Needs nothing but Python 3.8.
"""

from __future__ import annotations

import http.client
import os
import re
import threading
import time
import urllib.request
from pathlib import Path

import inference_probe

LIMIT = float(os.environ.get("TANDEM_LIVENESS_SECONDS", "45"))
"""Seconds that a question stays without an answer, and no token is counted, before an engine is looked into."""
IDLE = LIMIT / 3
"""Seconds without a counted token after which a question is asked."""
SAMPLE = min(5.0, LIMIT / 6)
PATIENCE = 3600.0
"""Seconds that a question may take at most: behind long prompts it waits its turn, and tokens are counted meanwhile."""
SERIES = re.compile(r"^([a-zA-Z_:]+)((?:\{.*\})?) +([0-9.eE+-]+)$", re.M)
ENGINE = re.compile(r'[{,]engine="(\d+)"')
"""How vLLM's counters name a data parallel rank (v1/metrics/loggers.py)."""
HEADER = "X-data-parallel-rank"
"""Sends a request to one of them (serving.py, from 0.12); versions before choose themselves."""


class Rank:
    """What is known of a data parallel rank."""

    def __init__(self) -> None:
        self.question: threading.Thread | None = None
        self.made, self.moved, self.since = -1.0, 0.0, 0.0

    def silent(self) -> float:
        """Seconds that a question waits for its answer with no token counted meanwhile; 0 when none waits."""
        waits = self.question is not None and self.question.is_alive()
        return time.monotonic() - self.since if waits else 0.0


class Liveness:
    """Looks in threads of its own, as either of its requests can hang.

    Args:
        base: the engine's API on loopback, up to /v1.
        model: its served name.
        task: what the model is for; empty for what its files tell.
        folder: of the model's files.
        series: names of what its /metrics count while it computes.
        ranks: data parallel ranks, each of which is asked and counted by itself.
    """

    def __init__(self, base: str, model: str, task: str, folder: str, series: list[str], *, ranks: int = 1) -> None:
        self.base, self.model, self.series = base, model, set(series)
        self.task, self.folder = task, Path(folder)
        self.ranks = [Rank() for _ in range(ranks)]
        self.ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def serves(self) -> bool:
        """Whether its counters of tokens have moved once, so that it has started."""
        return any(rank.moved for rank in self.ranks)

    def silent(self) -> float:
        """Seconds of the rank that has been silent for longest."""
        return max(rank.silent() for rank in self.ranks)

    def silent_ranks(self, seconds: float) -> list[int]:
        """Those that have been for so long."""
        return [number for number, rank in enumerate(self.ranks) if rank.silent() >= seconds]

    def end(self) -> None:
        """No more of it."""
        self.ended.set()

    def _watch(self) -> None:
        # Here and not before: where the storage hangs, whoever looks after the engine that loads from it must not wait.
        self.task = self.task or inference_probe.find_task(self.folder)
        # Until it serves, more often: one that stops right afterwards has served.
        while not self.ended.wait(SAMPLE if self.serves() else SAMPLE / 5):
            now, counted = time.monotonic(), self.count()
            for number, rank in enumerate(self.ranks):
                made = counted.get(number, 0.0) if counted is not None else rank.made
                if made != rank.made:
                    rank.made = made
                    rank.moved = rank.since = now  # a question that waits behind others begins to wait anew
                elif rank.moved and not rank.silent() and now - max(rank.moved, rank.since) > IDLE:
                    rank.since = now
                    rank.question = threading.Thread(target=self._ask, args=(number,), daemon=True)
                    rank.question.start()

    def _ask(self, number: int) -> None:
        """Whatever comes: an engine that answers an error is none that stands still."""
        headers = {HEADER: str(number)} if len(self.ranks) > 1 else {}
        inference_probe.ask(self.base, self.model, self.task, seconds=PATIENCE, headers=headers)

    def count(self) -> dict[int, float] | None:
        """Tokens that each data parallel rank's counters have now; None when they give no answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.base[: -len("/v1")] + "/metrics", timeout=10) as answer:
                text = answer.read().decode(errors="replace")
        except (OSError, ValueError, http.client.HTTPException):
            return None
        found: dict[int, float] = {}
        for name, labels, value in SERIES.findall(text):
            if name in self.series:
                engine = ENGINE.search(labels)
                number = int(engine[1]) if engine else 0
                found[number] = found.get(number, 0.0) + float(value)
        return found
