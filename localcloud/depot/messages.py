"""A request and its answer, as every part of the depot sees them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        method: GET, HEAD or POST.
        path: decoded, from the first slash; without the query.
        query: the first value of each name.
        headers: names in lower case.
        body: of a POST.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def token(self) -> str | None:
        """The bearer token, if one came along."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() or None if kind.lower() == "bearer" else None


@dataclass(frozen=True)
class Answer:
    """What goes back: `file` if given (byte ranges are cut out of it while sending), else `body`."""

    status: int = 200
    body: bytes = b""
    file: Path | None = None
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the whole content."""
        return self.file.stat().st_size if self.file else len(self.body)


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value).encode(), None, "application/json", headers or {})


def not_found(what: str) -> Answer:
    """404 with a sentence."""
    return Answer(404, f"{what}\n".encode(), None, "text/plain")
