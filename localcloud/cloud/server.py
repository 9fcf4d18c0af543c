"""HTTP on loopback, and TLS on the same port for clients that begin with it."""

import json
import socket
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from localcloud.cloud.admin import Admin
from localcloud.cloud.dispatch import Dispatcher
from localcloud.cloud.signature import Request

TLS_HANDSHAKE = b"\x16"  # RFC 8446, 5.1: the content type of a ClientHello's record
IDLE_SECONDS = 120


class Server(ThreadingHTTPServer):
    """Serves one cloud on 127.0.0.1.

    One client of the provider speaks HTTPS whatever its settings say, hence both on one port.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, dispatcher: Dispatcher, admin: Admin, certificate: Path) -> None:
        self.dispatcher = dispatcher
        self.admin = admin
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Looks at the first byte in the connection's own thread, so that a silent client holds up nobody."""
        request.settimeout(IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if request.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                with self._tls.wrap_socket(request, server_side=True) as wrapped:
                    super().finish_request(wrapped, client_address)
                return
            super().finish_request(request, client_address)
        except (OSError, ValueError):
            return  # the client went away, or speaks no TLS that we do


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """The journal has the calls."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if parts.path.startswith("/-/"):
            status, answer = self.server.admin.answer(self.command, parts.path[3:], headers, body)
            self._send(status, json.dumps(answer).encode())
            return
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        request = Request(
            self.command,
            parts.path or "/",
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)) if is_form else {},
            headers,
            body,
        )
        reply = self.server.dispatcher.answer(request)
        if reply.lost:
            self.close_connection = True
            return
        self._send(reply.status, reply.body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
