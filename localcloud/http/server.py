"""An HTTP server, and TLS on the same port for clients that begin with it."""

import socket
import ssl
import time
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from localcloud.http.messages import Cut, Request, Response, Sent
from localcloud.http.ranges import pieces

TLS_HANDSHAKE = b"\x16"  # RFC 8446, 5.1: the content type of a ClientHello's record
IDLE_SECONDS = 120


class Server(ThreadingHTTPServer):
    """A thread a connection; subclasses say what they answer.

    Args:
        address: to listen at; port 0 takes a free one.
        methods: what is answered; any other method is 501.
        certificate: PEM file with certificate and key: TLS and plain HTTP then share the port, as one client of
            the provider speaks HTTPS whatever its settings say.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], methods: Collection[str], certificate: Path | None = None) -> None:
        self.methods = methods
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        super().__init__(address, _Handler)

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        raise NotImplementedError

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Looks at the first byte in the connection's own thread, so that a silent client holds up nobody."""
        request.settimeout(IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls and request.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                with self._tls.wrap_socket(request, server_side=True) as wrapped:
                    super().finish_request(wrapped, client_address)
                return
            super().finish_request(request, client_address)
        except OSError:
            return  # the client went away, or speaks no TLS that we do


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tandem-localcloud"
    sys_version = ""
    server: Server

    def do_GET(self) -> None:
        if self.command not in self.server.methods:
            self.send_error(501, f"Unsupported method ({self.command!r})")
            return
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            self.send_error(400, f"Bad Content-Length ({length!r})")
            return
        request = Request(
            method=self.command,
            path=unquote(parts.path) or "/",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
            client=str(self.client_address[0]),
            raw_path=parts.path or "/",
        )
        response = self.server.answer(request)
        if response.lost:
            self.close_connection = True
            return
        sent = self._send(response)
        if response.sent:
            response.sent(sent)

    do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """The journal has the requests."""

    def _send(self, response: Response) -> Sent:
        begun, count = time.monotonic(), 0
        start, end = response.bounds
        try:
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            if self.command != "HEAD":
                parts = pieces(response)
                for chunk in response.body_filter(parts) if response.body_filter else (part for _, part in parts):
                    self.wfile.write(chunk)
                    count += len(chunk)
        except Cut:
            self.close_connection = True
        except OSError:
            self.close_connection = True
            return Sent(count, time.monotonic() - begun, client_gone=True)
        return Sent(count, time.monotonic() - begun)
