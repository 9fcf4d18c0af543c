"""gateway.py, which stands where there is no nginx: real sockets, a small engine of the test's own behind it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.gateway.gateway import FILES, Front, render_native
from tests.support.waiting import until

KEY = "k.y" * 16


class Engine(BaseHTTPRequestHandler):
    """Echoes what it was asked; streams three tokens a tenth of a second apart."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"one ", b"two ", asked):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Gateway:
    """The program, and where it listens."""

    def __init__(self, folder, engine_port, allowed=("127.0.0.0/8",), fronts=()):
        self.port = free_port()
        (folder / "conf").write_text(render_native(KEY, self.port, engine_port, allowed, fronts))
        self.process = subprocess.Popen([sys.executable, FILES / "gateway.py", folder / "conf"], stdout=subprocess.PIPE)
        until(self.listens, 10)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, path, key=KEY, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {"Authorization": f"Bearer {key}"} if key is not None else {}
        connection.request(method, path, body, {**given, **headers})
        return connection.getresponse()

    def raw(self, text: bytes) -> bytes:
        """All that comes back for bytes that no client library would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def engine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, engine):
    made = Gateway(tmp_path_factory.mktemp("gateway"), engine)
    yield made
    made.process.terminate()


def test_what_may_pass_reaches_the_engine_without_the_key(gateway):
    reply = gateway.ask("/v1/models?x=1", Cookie="a=b", **{"X-Forwarded-For": "10.0.0.1"})
    seen = json.loads(reply.read())
    assert (reply.status, seen["path"]) == (200, "/v1/models?x=1")
    assert not {"Authorization", "Cookie", "X-Forwarded-For"} & set(seen["headers"])


@pytest.mark.parametrize(
    ("path", "key", "code", "word"),
    [
        ("/v1/models", None, 401, "invalid_api_key"),
        ("/v1/models", KEY.upper(), 401, "invalid_api_key"),
        ("/v1/models", KEY.replace(".", "x"), 401, "invalid_api_key"),
        ("/metrics", KEY, 404, "not_found"),
        ("/v1/../metrics", KEY, 404, "not_found"),
        ("/v1/models/../../metrics", KEY, 404, "not_found"),
        ("/v1/models/%2E%2e/metrics", KEY, 404, "not_found"),
        ("/v1/load_lora_adapter", KEY, 404, "not_found"),
    ],
)
def test_what_may_not_is_told_why(gateway, path, key, code, word):
    reply = gateway.ask(path, key)
    assert (reply.status, json.loads(reply.read())["error"]["code"]) == (code, word)


def test_tokens_go_out_as_they_come(gateway):
    began = time.monotonic()
    reply = gateway.ask("/v1/chat/completions", method="POST", body=b"hello")
    first = reply.read1(100)
    soon = time.monotonic() - began
    assert (first, reply.read()) == (b"one ", b"two hello")
    assert time.monotonic() - began > soon + 0.15


def test_one_connection_serves_many_requests(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"})
        assert json.loads(connection.getresponse().read())["path"] == "/v1/models"


@pytest.mark.parametrize(
    "extra",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 40",
        b"Content-Length: -1",
    ],
)
def test_a_request_whose_end_is_ambiguous_is_refused(gateway, extra):
    """Nothing may hide behind a request: no second one is answered."""
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
    hidden = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n"
    answer = gateway.raw(head + extra + b"\r\n\r\n" + hidden)
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_request_too_long_is_refused_before_it_is_read(gateway):
    reply = gateway.ask("/v1/completions", method="POST", **{"Content-Length": str(65 << 20)})
    assert reply.status == 413


def test_an_address_that_is_not_allowed_is_refused(tmp_path, engine):
    made = Gateway(tmp_path, engine, ["10.0.0.0/8"])
    try:
        assert made.ask("/v1/models").status == 403
    finally:
        made.process.terminate()


def test_an_engine_that_is_not_up_is_503(tmp_path):
    made = Gateway(tmp_path, free_port())
    try:
        reply = made.ask("/v1/models")
        assert (reply.status, json.loads(reply.read())["error"]["code"]) == (503, "engine_unavailable")
    finally:
        made.process.terminate()


def test_another_port_is_passed_on_whole_to_those_who_may(tmp_path, engine):
    fronts = [Front(free_port(), engine, ("127.0.0.0/8",)), Front(free_port(), engine, ("10.0.0.0/8",))]
    made = Gateway(tmp_path, engine, fronts=fronts)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", fronts[0].port, timeout=10)
        connection.request("GET", "/any", headers={"Cookie": "a=b"})
        seen = json.loads(connection.getresponse().read())
        assert (seen["path"], seen["headers"]["Cookie"]) == ("/any", "a=b")
        refused = http.client.HTTPConnection("127.0.0.1", fronts[1].port, timeout=10)
        with pytest.raises((http.client.HTTPException, OSError)):
            refused.request("GET", "/any")
            refused.getresponse()
    finally:
        made.process.terminate()
