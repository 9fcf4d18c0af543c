"""The only port that the outside reaches, where there is no nginx: needs nothing but Python.

gateway.py CONFIG    JSON: port, engine_port, key, allowed (ranges), paths (a pattern), answers (code to body),
                     fronts (more ports, passed on whole: port, inner_port, allowed)

Every request is read, judged and written anew: nothing that the outside sends reaches the engine as it came.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import ipaddress
import json
import re
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

LONGEST = 64 << 20
"""Bytes of a request."""
PATIENCE = 60.0
"""Seconds for a request to arrive; an answer may take an hour."""
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "server", "date"}
"""Headers that end here (RFC 9110, 7.6.1), and those that we write ourselves."""
PASSED = ("Accept", "Content-Type", "User-Agent")


def allowed(address: str, ranges: list[str]) -> bool:
    """Whether an address is in one of them."""
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in ranges)


def pass_on(front: dict[str, Any]) -> None:
    """For ever: whoever may, talks to a port of loopback."""
    server = socket.create_server(("0.0.0.0", front["port"]), backlog=1024)  # noqa: S104  # it is a public port

    def talk(outside: socket.socket, address: str) -> None:
        with outside:
            if not allowed(address, front["allowed"]):
                return
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", front["inner_port"])) as inside:
                back = threading.Thread(target=copy, args=(inside, outside), daemon=True)
                back.start()
                copy(outside, inside)
                back.join()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    while True:
        connection, (address, _) = server.accept()
        threading.Thread(target=talk, args=(connection, address), daemon=True).start()


class Server(ThreadingHTTPServer):
    """A thread a connection."""

    daemon_threads = True
    request_queue_size = 1024
    config: dict[str, Any]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as the base class has it
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection from outside."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tandem", ""
    timeout = PATIENCE
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """No access log: requests may hold what users would not want written down."""

    def _refuse(self, code: int) -> None:
        body = self.server.config["answers"][str(code)].encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # What is left of the request is not read: the connection ends.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _judge(self) -> int:
        """0 for a request that may pass."""
        config = self.server.config
        if not allowed(self.client_address[0], config["allowed"]):
            return 403
        path = self.path.partition("?")[0]
        if not re.fullmatch(config["paths"], path) or ".." in unquote(path):
            return 404
        given = self.headers.get_all("Authorization") or [""]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), f"Bearer {config['key']}".encode()):
            return 401
        if self.headers.get_all("Transfer-Encoding") or len(self.headers.get_all("Content-Length") or []) > 1:
            return 411
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"\d{1,12}", length):
            return 411
        return 413 if int(length) > LONGEST else 0

    def _pass(self) -> None:
        if code := self._judge():
            self._refuse(code)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name: self.headers[name] for name in PASSED if name in self.headers}
        engine = http.client.HTTPConnection("127.0.0.1", self.server.config["engine_port"], timeout=3600)
        try:
            try:
                engine.request(self.command, self.path, body or None, headers)
                answer = engine.getresponse()
            except (OSError, http.client.HTTPException):
                self._refuse(503)
                return
            self._forward(answer)
        finally:
            engine.close()

    def _forward(self, answer: http.client.HTTPResponse) -> None:
        """Tokens go out as they come."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        whole = answer.length is not None
        if self.request_version == "HTTP/1.0" and not whole:
            self.close_connection = True
        chunked = not whole and not self.close_connection
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "keep-alive")))
        if whole:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        try:
            while part := answer.read1(65536):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # cut short: the missing end tells the client
            return
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = _pass


def main() -> None:
    """Serves for ever."""
    config = json.loads(Path(sys.argv[1]).read_text())
    server = Server(("0.0.0.0", config["port"]), Handler, bind_and_activate=False)  # noqa: S104  # it is the public port
    server.config = config
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.server_bind()
    server.server_activate()
    for front in config["fronts"]:
        threading.Thread(target=pass_on, args=(front,), daemon=True).start()
    print(f"gateway: listening on port {config['port']}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
