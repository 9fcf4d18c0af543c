"""Sending a body: byte ranges, and the faults that were ordered for it."""

import re
import time
from collections.abc import Callable, Iterator

from localcloud.depot.faults import Fault
from localcloud.depot.messages import Answer

CHUNK = 1 << 16


class Cut(Exception):
    """The transfer was to be cut here."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a Range header asks for; None for the whole (RFC 9110, section 14.2).

    Raises:
        ValueError: the range lies outside; the answer is 416.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= size or start >= end:
        raise ValueError(header)
    return start, end


def chunks(answer: Answer, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of the content from `start` to `end`."""
    if answer.file is None:
        yield start, answer.body[start:end]
        return
    with answer.file.open("rb") as stream:
        stream.seek(start)
        offset = start
        while offset < end and (chunk := stream.read(min(CHUNK, end - offset))):
            yield offset, chunk
            offset += len(chunk)


def send(write: Callable[[bytes], object], answer: Answer, start: int, end: int, fault: Fault | None) -> int:
    """Write the content and return how many bytes were written.

    Raises:
        Cut: the fault cuts the transfer; its argument is the number of bytes written.
    """
    sent = 0
    for offset, content in chunks(answer, start, end):
        chunk = content
        here = fault is not None and offset <= fault.at < offset + len(chunk)
        if fault and here and fault.kind == "corrupt":
            place = fault.at - offset
            chunk = chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
        if fault and here and fault.kind in ("cut", "stall"):
            write(chunk[: fault.at - offset])
            if fault.kind == "stall":
                time.sleep(fault.seconds)
            raise Cut(sent + fault.at - offset)
        if fault and fault.kind == "throttle":
            for part in (chunk[i : i + 4096] for i in range(0, len(chunk), 4096)):
                write(part)
                time.sleep(len(part) / fault.rate)
        else:
            write(chunk)
        sent += len(chunk)
    return sent
