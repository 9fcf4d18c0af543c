"""Counts requests and bytes by API key, for Prometheus, out of a log of Caddy's. Needs nothing but Python 3.8.

    key_metrics.py FOLDER [OWNER]    reads FOLDER/keys.log, answers HTTP on FOLDER/keys.socket, as the user OWNER

Caddy renames the log when it is large and begins another. How far the log was read is written down together with the
counts, so that another run goes on where this one ended. The names are those that Caddy's configuration has for keys,
and `-` for whoever has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, BinaryIO

SECONDS = 5.0
"""How often the log is read if nobody asks: Caddy keeps 30 MB of it, a hundred thousand requests and more."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
NOBODY = "-"
FIELDS = ("size", "bytes_read", "duration")
METRICS = (
    ("response_bytes", "Bytes of answers, without their headers.", "size"),
    ("request_bytes", "Bytes of requests, without their headers.", "bytes_read"),
    ("request_seconds", "Seconds that requests took, streams to their end.", "duration"),
)


def first_line(opened: BinaryIO) -> str:
    """What tells a log from all others, by its time in microseconds; empty while there is no whole line."""
    opened.seek(0)
    line = opened.readline()
    return line.decode(errors="replace") if line.endswith(b"\n") else ""


def logs(stack: contextlib.ExitStack) -> dict[str, BinaryIO]:
    """Those that are there by their first line, the oldest first."""
    found = []
    # The newest is opened before the others are listed: if it is renamed between, it is there twice, and one here.
    for path in (Path("keys.log"), *sorted(Path().glob("keys-*.log"))):
        with contextlib.suppress(FileNotFoundError):
            found.append((path.name, stack.enter_context(path.open("rb"))))
    found.sort(key=lambda log: (log[0] == "keys.log", log[0]))
    named: dict[str, BinaryIO] = {first_line(opened): opened for _, opened in found}
    named.pop("", None)
    return named


def add(counts: dict[str, dict[str, float]], line: bytes) -> None:
    """Counts one request: each of FIELDS, and one more by its status, `200`."""
    try:
        said = json.loads(line)
        name, status = str(said["key"]), str(int(said["status"]))
        amounts = {field: float(said[field]) for field in FIELDS}
    except (ValueError, KeyError, TypeError):
        return
    of_key = counts.setdefault(name if NAME.fullmatch(name) else NOBODY, {})
    of_key[status] = of_key.get(status, 0) + 1
    for field, amount in amounts.items():
        of_key[field] = of_key.get(field, 0) + amount


class Counter:
    """The counts, and how far the log was read: `first` is the first line of the file, `offset` the bytes of it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"first": "", "offset": 0, "counts": {}}
        with contextlib.suppress(OSError, ValueError):
            self.state = json.loads(Path("keys.json").read_text())

    def update(self) -> dict[str, dict[str, float]]:
        """Reads what is new."""
        before = (self.state["first"], self.state["offset"])
        with contextlib.ExitStack() as stack:
            found = logs(stack)
            # What was read last is no more where more was written than Caddy keeps: then all are newer.
            known = [*found].index(self.state["first"]) if self.state["first"] in found else 0
            for first in [*found][known:]:
                self._read(first, found[first])
        if before != (self.state["first"], self.state["offset"]):
            draft = Path("keys.json.new")
            draft.write_text(json.dumps(self.state))
            draft.replace("keys.json")
        counts: dict[str, dict[str, float]] = self.state["counts"]
        return counts

    def _read(self, first: str, opened: BinaryIO) -> None:
        if first != self.state["first"]:
            self.state.update(first=first, offset=0)
        opened.seek(self.state["offset"])
        for line in opened:
            if not line.endswith(b"\n"):
                break
            add(self.state["counts"], line)
            self.state["offset"] += len(line)


def render(counts: dict[str, dict[str, float]]) -> str:
    """Prometheus' text format, 0.0.4."""
    lines = [
        "# HELP tandem_gateway_requests_total Requests by API key and status.",
        "# TYPE tandem_gateway_requests_total counter",
    ]
    for name, of_key in sorted(counts.items()):
        statuses = sorted(of_key.keys() - set(FIELDS))
        lines += [f'tandem_gateway_requests_total{{key="{name}",code="{s}"}} {of_key[s]:.0f}' for s in statuses]
    for metric, text, field in METRICS:
        whole = f"tandem_gateway_{metric}_total"
        lines += [f"# HELP {whole} {text}", f"# TYPE {whole} counter"]
        lines += [f'{whole}{{key="{name}"}} {of_key[field]:.15g}' for name, of_key in sorted(counts.items())]
    return "\n".join(lines) + "\n"


class Server(HTTPServer):
    """On a socket in the folder that only its owner may enter."""

    address_family = socket.AF_UNIX
    timeout = SECONDS

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        with contextlib.suppress(FileNotFoundError):
            Path("keys.socket").unlink()
        super().__init__("keys.socket", Handler)  # type: ignore[arg-type]  # a path is this family's address

    def server_bind(self) -> None:
        """Without the look-up of names that HTTP servers begin with."""
        self.socket.bind(self.server_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the gateway, which has looked at who asks."""

    timeout = SECONDS
    server: Server

    def do_GET(self) -> None:
        """All there is."""
        body = render(self.server.counter.update()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is said of it."""


def main() -> None:
    """Reads the arguments; ends with its process."""
    os.umask(0o077)
    os.chdir(sys.argv[1])
    if len(sys.argv) > 2:
        owner = int(sys.argv[2])
        os.setgroups([])
        os.setgid(owner)
        os.setuid(owner)
    counter = Counter()
    server = Server(counter)
    while True:
        counter.update()
        server.handle_request()


if __name__ == "__main__":
    main()
