"""Byte ranges, RFC 9110, section 14."""

import re
from dataclasses import replace

from localcloud.http.messages import Pieces, Response

CHUNK = 1 << 16


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a Range header names; None for the whole (section 14.2).

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


def in_range(response: Response, header: str | None) -> Response:
    """The answer cut to the range: 206, or 416 for a range outside; as it is unless it gives a whole file."""
    if response.file is None or response.status != 200:
        return response
    try:
        span = byte_range(header, response.size)
    except ValueError:
        return Response(416, headers={"Content-Range": f"bytes */{response.size}"})
    if span is None:
        return response
    shown = f"bytes {span[0]}-{span[1] - 1}/{response.size}"
    return replace(response, status=206, span=span, headers={**response.headers, "Content-Range": shown})


def pieces(response: Response) -> Pieces:
    """Yield offset and bytes of the content between the answer's bounds."""
    offset, end = response.bounds
    if response.file is None:
        yield offset, response.body[offset:end]
        return
    with response.file.open("rb") as stream:
        stream.seek(offset)
        while offset < end and (chunk := stream.read(min(CHUNK, end - offset))):
            yield offset, chunk
            offset += len(chunk)
