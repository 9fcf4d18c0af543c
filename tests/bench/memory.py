"""Peak memory while something runs."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

MEMINFO = Path("/proc/meminfo")


def used_kib() -> int:
    """Memory that could not be had by a new program: MemTotal - MemAvailable (proc_meminfo(5)), KiB."""
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    return int(fields["MemTotal"].split()[0]) - int(fields["MemAvailable"].split()[0])


class Sampler:
    """Samples the computer's used memory twice a second; shared pages count once, page cache doesn't.

    Other work on the same computer counts too, so benchmarks run alone.
    """

    def __init__(self) -> None:
        self._before = self._peak = used_kib()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._over.wait(0.5):
            self._peak = max(self._peak, used_kib())

    @property
    def peak_gib(self) -> float:
        """The peak over what was used at the start, GiB."""
        return (self._peak - self._before) / (1 << 20)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
