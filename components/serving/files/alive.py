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

import question

LIMIT = float(os.environ.get("TANDEM_ALIVE_SECONDS", "60"))
"""Seconds that a question stays without an answer, and no token is counted, before an engine is looked into."""
IDLE = LIMIT / 4
"""Seconds without a counted token after which a question is asked."""
SAMPLE = min(5.0, LIMIT / 6)
PATIENCE = 3600.0
"""Seconds that a question may take at most: behind long prompts it waits its turn, and tokens are counted meanwhile."""
SERIES = re.compile(r"^([a-zA-Z_:]+)(?:\{.*\})? +([0-9.eE+-]+)$", re.M)


class Alive:
    """Looks in threads of its own, as either of its requests can hang.

    Args:
        base: the engine's API on loopback, up to /v1.
        model: its served name.
        task: what the model is for; empty for what its files tell.
        folder: of the model's files.
        series: names of its counters of tokens.
    """

    def __init__(self, base: str, model: str, task: str, folder: str, series: list[str]) -> None:
        self.base, self.model, self.series = base, model, set(series)
        self.task = task or question.find_task(Path(folder))
        self.question: threading.Thread | None = None
        self.since = 0.0
        self.ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def silent(self) -> float:
        """Seconds that a question waits for its answer with no token counted meanwhile; 0 when none waits."""
        waits = self.question is not None and self.question.is_alive()
        return time.monotonic() - self.since if waits else 0.0

    def end(self) -> None:
        """No more of it."""
        self.ended.set()

    def _watch(self) -> None:
        made, moved = -1.0, 0.0
        while not self.ended.wait(SAMPLE):
            now, counted = time.monotonic(), self.count()
            if counted is not None and counted != made:
                made = counted
                moved = self.since = now  # a question that waits behind others begins to wait anew
            elif moved and not self.silent() and now - max(moved, self.since) > IDLE:
                self.since = now
                self.question = threading.Thread(target=self._ask, daemon=True)
                self.question.start()

    def _ask(self) -> None:
        """Whatever comes: an engine that answers an error is none that stands still."""
        question.ask(self.base, self.model, self.task, seconds=PATIENCE)

    def count(self) -> float | None:
        """Tokens that its counters have now; None when they give no answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.base[: -len("/v1")] + "/metrics", timeout=10) as answer:
                text = answer.read().decode(errors="replace")
        except (OSError, ValueError, http.client.HTTPException):
            return None
        return sum(float(value) for name, value in SERIES.findall(text) if name in self.series)
