"""Faults that a test orders for the depot's answers."""

import fnmatch
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

KINDS = ("cut", "stall", "throttle", "corrupt", "status")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, for which paths, how often.

    Attributes:
        kind: `cut` closes the connection after `at` bytes of the body; `stall` waits `seconds` there and then cuts;
            `throttle` sends `rate` bytes a second; `corrupt` flips the bits of the byte at offset `at` of the file;
            `status` answers with `status` and nothing else.
        path: a pattern as of the shell, for the decoded path with its query, such as `*model-00001*`.
        times: so many answers are hit; then the fault is over.
        at: offset in bytes.
        rate: bytes a second.
        seconds: how long a stall lasts.
        status: an HTTP status.
    """

    kind: str
    path: str = "*"
    times: int = 1
    at: int = 0
    rate: int = 1 << 20
    seconds: float = 60.0
    status: int = 503

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: use one of {', '.join(KINDS)}")
        if self.times < 1 or self.at < 0 or self.rate < 1 or self.seconds < 0 or not 400 <= self.status <= 599:
            raise ValueError("times and rate are at least 1, at and seconds at least 0, status 400 to 599")


class Faults:
    """The faults still to come; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add one."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._faults.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Those still to come, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, path: str, start: int, end: int) -> Fault | None:
        """Return the fault that hits an answer with bytes `start` to `end` of `path`, and count it.

        A cut, stall or corruption beyond the bytes asked for waits for an answer that has its offset; so does a
        request for headers alone (an empty range).
        """
        with self._lock:
            for index, fault in enumerate(self._faults):
                hit = fault.kind == "status" or (start < end and (fault.kind == "throttle" or start <= fault.at < end))
                if hit and fnmatch.fnmatchcase(path, fault.path):
                    left = replace(fault, times=fault.times - 1) if fault.times > 1 else None
                    self._faults[index : index + 1] = [left] if left else []
                    return fault
        return None
