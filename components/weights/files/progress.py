"""The line that moves in front of the user: percentage, rate, time left; and a word when it crawls."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


def amount(count: float) -> str:
    """Bytes for a reader."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


@dataclass(frozen=True)
class State:
    """What a program may know of it.

    Attributes:
        verb: downloading or verifying.
        done: bytes that are there.
        total: bytes of all files.
        rate: bytes a second.
        seconds_left: until the last byte at that rate; None while nothing comes.
    """

    verb: str
    done: int
    total: int
    rate: float
    seconds_left: float | None


class Progress:
    """Counts bytes of all threads. Bytes that were there before count for the percentage and not for the rate."""

    def __init__(
        self,
        verb: str,
        model: str,
        total: int,
        show: Callable[[str], None],
        note: Callable[[State], None] = lambda _: None,
        *,
        window: float = 60.0,
        slow: int = 0,
    ) -> None:
        """Nothing is shown yet.

        Args:
            verb: what is done with the bytes.
            model: whose they are.
            total: how many.
            show: gets the line for people.
            note: gets the same for programs.
            window: seconds over which the rate is taken.
            slow: bytes a second below which it is said to be slow.
        """
        self.note = note
        self.verb, self.model, self.total, self.show = verb, model, max(total, 1), show
        self.window, self.slow, self.said = window, slow, False
        self.done = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._new, self._shown, self.rate = 0, 0.0, 0.0

    def there(self, count: int) -> None:
        """Bytes that needed no fetching."""
        with self._lock:
            self.done += count

    def add(self, count: int) -> None:
        """More bytes came."""
        with self._lock:
            self.done += count
            self._new += count
            if time.monotonic() - self._shown > 0.2 or self.done >= self.total:
                self._tell()

    def tick(self) -> None:
        """Shows the line though nothing came, so that a rate of nothing is seen."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        now = self._shown = time.monotonic()
        self._seen.append((now, self._new))
        while len(self._seen) > 2 and now - self._seen[1][0] > self.window:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = self.rate = (self._new - before) / max(now - since, 0.001)
        left = (self.total - self.done) / rate if rate >= 1 else 0
        self.note(State(self.verb, self.done, self.total, rate, left if rate >= 1 else None))
        percent = min(100, 100 * self.done // self.total)
        line = f"{self.verb} {self.model}: {percent} % of {amount(self.total)}, {amount(rate)}/s, {left:.0f} s left"
        if rate < self.slow and now - self._began > self.window:
            slow = f"slower than {amount(self.slow)}/s for {self.window:.0f} s: a mirror (model.endpoint) may be faster"
            line += f"; {slow}"
            if not self.said:
                print(f"{self.model}: {amount(rate)}/s, {slow}", flush=True)
                self.said = True
        self.show(line)
