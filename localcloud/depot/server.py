"""The depot's HTTP server."""

import ipaddress
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

from localcloud.depot.faults import Fault, Faults
from localcloud.depot.git_lfs import GitLfs
from localcloud.depot.huggingface import HuggingFace
from localcloud.depot.journal import Journal
from localcloud.depot.messages import Answer, Request, as_json, not_found
from localcloud.depot.modelscope import ModelScope
from localcloud.depot.python_index import PythonIndex
from localcloud.depot.registry import Registry
from localcloud.depot.repository import Repository
from localcloud.depot.sending import Cut, byte_range, send
from localcloud.depot.static import Static


@dataclass(frozen=True)
class Contents:
    """What a depot has: folders that exist; None for a part that it doesn't have."""

    repositories: Sequence[Repository] = ()
    images: Path | None = None
    wheels: Path | None = None
    apt: Path | None = None


class Depot(ThreadingHTTPServer):
    """Serves `contents` at `address`; every request goes to the journal."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], contents: Contents, journal: Journal) -> None:
        self.repositories = repositories = {repository.id: repository for repository in contents.repositories}
        self.faults = Faults()
        self.journal = journal
        self.parts: dict[str, Callable[[Request], Answer]] = {
            "hf": HuggingFace(repositories).answer,
            "modelscope": ModelScope(repositories).answer,
            "git": GitLfs(repositories, journal.file.parent / "git").answer,
            "depot": self._admin,
        }
        if contents.images:
            self.parts["v2"] = Registry(contents.images).answer
        if contents.wheels:
            self.parts["pypi"] = PythonIndex(contents.wheels).answer
        if contents.apt:
            self.parts["apt"] = Static(contents.apt).answer
        super().__init__(address, _Handler)

    def answer(self, request: Request) -> Answer:
        """Answer a request, by the first part of its path."""
        first, _, rest = request.path.lstrip("/").partition("/")
        part = self.parts.get(first)
        if part is None:
            return not_found(
                f"there is no {request.path}; the depot has {', '.join(f'/{name}' for name in self.parts)}"
            )
        return part(Request(request.method, f"/{rest}", request.query, request.headers, request.body))

    def _admin(self, request: Request) -> Answer:
        """`/depot/health`; `/depot/faults`: GET lists, POST orders one, POST of an empty body clears."""
        if request.path == "/health":
            return as_json({"parts": sorted(self.parts), "journal": str(self.journal.file)})
        if request.path != "/faults":
            return not_found(f"there is no /depot{request.path}")
        if request.method == "POST":
            try:
                if request.body:
                    self.faults.order(Fault(**json.loads(request.body)))
                else:
                    self.faults.clear()
            except (ValueError, TypeError) as error:
                return as_json({"error": str(error)}, 400)
        return as_json(self.faults.listing())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tandem-depot"
    sys_version = ""
    timeout = 120
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_args: object) -> None:
        """The journal has it."""

    def _serve(self) -> None:
        depot = cast(Depot, self.server)
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(reversed(parse_qsl(parts.query, keep_blank_values=True))),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
        what = request.path + (f"?{unquote(parts.query)}" if parts.query else "")
        if request.path.startswith("/depot/") and not private(self.client_address[0]):
            answer = Answer(403, b"orders come from private addresses only\n", content_type="text/plain")
        else:
            answer = depot.answer(request)
        begun = time.monotonic()
        status, sent, fault = self._reply(depot, request, answer, what)
        if not request.path.startswith("/depot/"):
            depot.journal.write(
                client=self.client_address[0],
                method=request.method,
                path=what,
                range=request.headers.get("range"),
                status=status,
                bytes=sent,
                fault=fault,
                seconds=round(time.monotonic() - begun, 3),
            )

    def _reply(self, depot: Depot, request: Request, answer: Answer, what: str) -> tuple[int, int, str | None]:
        """Send the answer; return status, bytes of body, and the fault that hit it."""
        size, status, start, end = answer.size, answer.status, 0, answer.size
        headers = dict(answer.headers)
        if answer.file and status == 200:
            try:
                found = byte_range(request.headers.get("range"), size)
            except ValueError:
                return self._end(416, {"Content-Range": f"bytes */{size}"}), 0, None
            if found:
                status, (start, end) = 206, found
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        empty = request.method == "HEAD"
        fault = None if request.path.startswith("/depot/") else depot.faults.take(what, start, start if empty else end)
        if fault and fault.kind == "status":
            return self._end(fault.status, {}), 0, fault.kind
        headers |= {"Content-Type": answer.content_type, "Content-Length": str(end - start)}
        self._start(status, headers)
        if empty:
            return status, 0, None
        try:
            return status, send(self.wfile.write, answer, start, end, fault), fault.kind if fault else None
        except Cut as cut:
            self.wfile.flush()
            self.close_connection = True
            return status, int(cut.args[0]), fault.kind if fault else None
        except OSError:
            self.close_connection = True
            return status, -1, "client went away"

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _end(self, status: int, headers: dict[str, str]) -> int:
        self._start(status, {**headers, "Content-Length": "0"})
        return status


def private(address: str) -> bool:
    """Whether an address is of a private, shared (100.64.0.0/10) or loopback network."""
    return not ipaddress.ip_address(address).is_global
