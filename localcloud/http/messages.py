"""A request and its answer, as everything here that speaks HTTP sees them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl


class Cut(Exception):
    """Raised by a filter of an answer's body: the connection is closed at this byte."""


Pieces = Iterator[tuple[int, bytes]]
"""Parts of a body, each with its offset in the whole content."""


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        method: GET, HEAD, POST or DELETE.
        path: decoded, from the first slash; without the query.
        query: decoded; of a name that comes twice the last value.
        headers: names in lower case.
        body: empty when there is none.
        client: IP address.
        raw_path: as it came, not decoded: what a signature covers.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    raw_path: str = "/"

    @property
    def token(self) -> str | None:
        """The bearer token, None without one."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() or None if kind.lower() == "bearer" else None

    @property
    def form(self) -> dict[str, str]:
        """The fields of a body that is an HTML form; empty for any other body."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


@dataclass(frozen=True)
class Sent:
    """How sending an answer ended: bytes of the body, seconds, and whether the client closed the connection first."""

    bytes: int
    seconds: float
    client_gone: bool = False


@dataclass(frozen=True)
class Response:
    """What goes back.

    Attributes:
        status: HTTP's.
        body: the content, unless `file` is given.
        file: the content as a file.
        content_type: its media type.
        headers: beside Content-Type and Content-Length.
        span: first byte and the one after the last, of the content; None sends all of it.
        body_filter: changes the body while it is sent; may raise Cut.
        lost: the connection is closed without an answer.
        sent: called once sending has ended.
    """

    status: int = 200
    body: bytes = b""
    file: Path | None = None
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    body_filter: Callable[[Pieces], Iterator[bytes]] | None = None
    lost: bool = False
    sent: Callable[[Sent], None] | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole content."""
        return self.file.stat().st_size if self.file else len(self.body)

    @property
    def bounds(self) -> tuple[int, int]:
        """First byte that is sent, and the one after the last."""
        return self.span or (0, self.size)


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(status, json.dumps(value).encode(), None, "application/json", headers or {})


def not_found(what: str) -> Response:
    """404 with a sentence."""
    return Response(404, f"{what}\n".encode(), None, "text/plain")
