"""Faults that a test orders for the depot's answers."""

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from localcloud.errors import LocalCloudError
from localcloud.http import faults
from localcloud.http.messages import Cut, Pieces

THROTTLED_BYTES = 4096


@dataclass
class Fault(faults.Fault):
    """What goes wrong with a body.

    Attributes:
        kind: `cut` closes the connection after `at` bytes of the body; `stall` waits `seconds` there and then cuts;
            `throttle` sends `rate` bytes a second; `corrupt` flips the bits of the byte at offset `at` of the file;
            `status` answers with `status` and nothing else.
        path: a pattern as of the shell, for the decoded path with its query, such as `*model-00001*`.
        at: offset in bytes.
        rate: bytes a second.
        seconds: how long a stall lasts.
        status: an HTTP status.
    """

    KINDS = ("cut", "stall", "throttle", "corrupt", "status")

    path: str = "*"
    at: int = 0
    rate: int = 1 << 20
    seconds: float = 60.0
    status: int = 503

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.times < 1 or self.at < 0 or self.rate < 1 or self.seconds < 0 or not 400 <= self.status <= 599:
            raise LocalCloudError("times and rate are at least 1, at and seconds at least 0, status 400 to 599")

    @property
    def pattern(self) -> str:
        """For paths."""
        return self.path

    def touches(self, start: int, end: int) -> bool:
        """Whether an answer with these bytes can be hit; a request for headers alone has none."""
        return self.kind == "status" or (start < end and (self.kind == "throttle" or start <= self.at < end))

    def filter(self, body: Pieces) -> Iterator[bytes]:
        """The body as it goes out.

        Raises:
            Cut: the connection ends here.
        """
        for offset, content in body:
            place = self.at - offset
            hit = 0 <= place < len(content)
            if self.kind == "throttle":
                for part in (content[i : i + THROTTLED_BYTES] for i in range(0, len(content), THROTTLED_BYTES)):
                    yield part
                    time.sleep(len(part) / self.rate)
            elif hit and self.kind == "corrupt":
                yield content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
            elif hit and self.kind in ("cut", "stall"):
                yield content[:place]
                if self.kind == "stall":
                    time.sleep(self.seconds)
                raise Cut
            else:
                yield content


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
            return [asdict(fault) for fault in self._faults if not fault.spent]

    def strike(self, path: str, start: int, end: int) -> Fault | None:
        """Return the fault that hits an answer with bytes `start` to `end` of `path`, and count it.

        A cut, stall or corruption beyond the bytes of the answer waits for one that has its offset.
        """
        with self._lock:
            for fault in self._faults:
                if fault.touches(start, end) and fault.due(path):
                    fault.struck += 1
                    return replace(fault)
        return None
