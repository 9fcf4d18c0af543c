"""The real Caddy, from the wheel that machines install, before a stand-in engine: what passes, and what it says.

Real sockets on loopback, over TLS with the stack's own certificate.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from components.gateway import Page, Tls
from components.gateway.caddy import render
from localcloud.fixtures import ensure_caddy
from tests.support.gateway import KEY, OTHER, TLS, Gateway, send_stream
from tests.support.waiting import free_port, until

CHAT = "/v1/chat/completions"
STREAM = {"stream": True, "max_tokens": 3}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, engine):
    made = Gateway(
        tmp_path_factory.mktemp("gateway"),
        engine.port,
        cors_origins=("https://app.example",),
        metrics_cidrs=("127.0.0.1/32",),
        more_paths=("/v1/load_lora_adapter",),
    )
    yield made
    made.close()


def error(reply) -> dict:
    assert reply.headers["Content-Type"] == "application/json"
    found: dict = json.loads(reply.text)["error"]
    return found


def test_what_may_pass_reaches_the_engine_without_credentials_and_with_its_ids(gateway, engine):
    ids = {"X_Request_Id": "r-1", "traceparent": "00-a-b-01"}
    reply = gateway.ask("/v1/models?x=1", Cookie="a=b", X_Forwarded_For="10.0.0.1", X_Api_Key=OTHER, **ids)
    seen = engine.requests[-1]
    assert (reply.status, seen["target"], reply.headers["X-Request-Id"]) == (200, "/v1/models?x=1", "r-1")
    assert not {"authorization", "cookie", "x-forwarded-for", "x-api-key"} & set(seen["headers"])
    assert (seen["headers"]["x-request-id"], seen["headers"]["traceparent"]) == ("r-1", "00-a-b-01")


def test_a_request_without_an_id_gets_one(gateway, engine):
    reply = gateway.ask("/v1/models")
    made = reply.headers.get_all("X-Request-Id")
    assert made == [engine.requests[-1]["headers"]["x-request-id"]]
    assert re.fullmatch(r"[0-9a-f-]{36}", made[0])


@pytest.mark.parametrize(
    "target",
    [
        "/metrics/../v1/models",
        "/v1/../metrics",
        "/%2e%2e/v1/models",
        "/v1/models/%2e%2e/%2e%2e/pause",
        "/v1/models/..%2f..%2fpause",
        "/v1/models%2f..%2f..%2fpause",
        "//v1/models",
        "/v1//models",
        "/V1/models",
        "/v1/models/",
        "/v1/models;x",
        "/v1/models%00",
        "/pause",
        "/v1/unload_lora_adapter",
        "/invocations",
        "/",
        "/v1/audio/transcriptions",
        "/version",
        "/health/../pause",
        "/metrics/..",
        "/gateway/../pause",
    ],
)
def test_what_is_judged_is_what_is_sent(gateway, engine, target):
    before = len(engine.requests)
    reply = gateway.ask(target)
    assert (reply.status, error(reply)["code"]) == (404, "not_found")
    assert len(engine.requests) == before


@pytest.mark.parametrize(
    "target", ["/v1/models/Qwen%2FQwen2.5", "/v1/models/a/b?x=..%2f", "/tokenize", "/v1/load_lora_adapter"]
)
def test_what_is_open_is_sent_as_it_came(gateway, engine, target):
    method = "GET" if "models" in target else "POST"
    assert gateway.ask(target, method=method, body={} if method == "POST" else None).status == 404  # the engine's
    assert engine.requests[-1]["target"] == target


def test_the_engine_s_health_needs_no_key_and_its_metrics_only_the_right_address(gateway, own):
    assert gateway.ask("/health", None).status == 200
    assert "vllm:" in gateway.ask("/metrics", None).text
    assert "caddy_http_requests" in gateway.ask("/gateway/metrics", None).text
    assert own(metrics_cidrs=("10.0.0.0/8",)).ask("/metrics").status == 404
    assert own().ask("/metrics").status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        ({"Authorization": f"BEARER   {KEY}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": OTHER}, 200),
        ({"x-api-key": KEY, "Authorization": "Basic abc"}, 200),
        ({}, 401),
        ({"Authorization": f"Bearer {KEY.upper()}"}, 401),
        ({"Authorization": f"Bearer {KEY.replace('.', 'x')}"}, 401),
        ({"Authorization": f"Bearer {KEY[:-1]}"}, 401),
        ({"Authorization": f"Bearer {KEY}x"}, 401),
        ({"Authorization": f"Bearer {KEY},"}, 401),
        ({"Authorization": KEY}, 401),
        ({"Authorization": "Bearer -"}, 401),
        ({"Authorization": "Bearer default"}, 401),
        ({"Authorization": "Bearer {env.PATH}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"x-api-key": ""}, 401),
    ],
)
def test_a_key_opens_in_either_header_and_nothing_else_does(gateway, headers, status):
    reply = gateway.ask("/v1/models", None, **headers)
    assert reply.status == status
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_errors_have_the_client_s_own_shape(gateway):
    def kind(path, code, **headers):
        reply = gateway.ask(path, "wrong" * 8, method="POST", body={}, **headers)
        assert reply.status == code
        return json.loads(reply.text)

    openai = kind(CHAT, 401)
    assert (openai["error"]["type"], openai["error"]["code"]) == ("invalid_request_error", "invalid_api_key")
    for anthropic in (
        kind("/v1/messages", 401),
        kind(CHAT, 401, x_api_key="x"),
        kind(CHAT, 401, anthropic_version="2023-06-01"),
    ):
        assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "authentication_error")
    assert kind("/v1/messages/x", 404)["error"]["type"] == "not_found_error"
    wrong = gateway.ask(CHAT)
    assert (wrong.status, error(wrong)["code"], wrong.headers["Allow"]) == (405, "method_not_allowed", "POST")


def test_an_address_that_is_not_allowed_is_refused(own):
    reply = own(allowed_cidrs=("10.0.0.0/8",)).ask("/v1/models")
    assert (reply.status, error(reply)["code"]) == (403, "address_not_allowed")


def test_an_engine_that_is_not_up_is_503_in_either_shape(own):
    gateway = own(engine_port=free_port())
    reply = gateway.ask(CHAT, method="POST", body={})
    assert (reply.status, error(reply)["code"]) == (503, "engine_unavailable")
    assert reply.headers["Retry-After"] == "30"
    assert error(gateway.ask("/v1/messages", method="POST", body={}))["type"] == "overloaded_error"


def test_a_request_too_long_is_reported_so(own, engine):
    gateway = own(max_request_mib=1)
    assert gateway.ask(CHAT, method="POST", body="x" * (1 << 20)).status == 200
    before = len(engine.requests)
    reply = gateway.ask(CHAT, method="POST", body="x" * ((1 << 20) + 1))
    assert (reply.status, error(reply)["code"]) == (413, "too_large")
    assert len(engine.requests) == before


def test_chunked_requests_pass(gateway, engine):
    body = json.dumps({"max_tokens": 2}).encode()
    reply = gateway.ask(CHAT, method="POST", body=iter([body[:5], body[5:]]))
    assert (reply.status, engine.requests[-1]["bytes"]) == (200, len(body))


@pytest.mark.parametrize("head", ["POST {} HTTP/1.0\r\n", "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"])
def test_a_stream_to_a_client_that_closes_ends_at_once(gateway, head):
    body = json.dumps(STREAM)
    request = f"{head.format(CHAT)}Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    began = time.monotonic()
    assert b"[DONE]" in gateway.raw(request.encode())
    assert time.monotonic() - began < 5


def test_tokens_come_as_they_are_made(gateway):
    began = time.monotonic()
    _, reply = send_stream(gateway, pace=0.3)
    reply.read1(100)
    soon = time.monotonic() - began
    assert b"[DONE]" in reply.read()
    assert time.monotonic() - began > soon + 0.5


@pytest.mark.parametrize("options", [{"silent": 30}, {"pace": 5.0, "max_tokens": 9}, {"stream": False, "silent": 30}])
def test_a_client_that_goes_cancels_the_engine_s_request(gateway, engine, options):
    """Before the first token, between two, and in an answer that comes whole."""
    before = len(engine.cancelled)
    requests = len(engine.requests)
    connection = gateway.connection()
    connection.request("POST", CHAT, json.dumps({**STREAM, **options}), {"Authorization": f"Bearer {KEY}"})
    until(lambda: len(engine.requests) > requests)
    if "pace" in options:
        connection.getresponse().read1(100)
    connection.close()
    connection.sock = None
    until(lambda: len(engine.cancelled) > before)


def test_an_engine_that_dies_in_a_stream_is_seen_at_once(gateway):
    began = time.monotonic()
    _, reply = send_stream(gateway, max_tokens=50, pace=0.05, die_after=3)
    with pytest.raises((http.client.IncompleteRead, OSError)):
        reply.read()
    assert time.monotonic() - began < 5


def test_20_mb_with_a_wrong_key_are_answered(gateway):
    """By a client that reads what it was answered although it could not send everything, as httpx does."""
    for _ in range(5):
        with gateway.socket() as connection:
            head = (
                f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: {20 << 20}\r\n\r\n"
            )
            connection.sendall(head.encode())
            try:
                for _ in range(20):
                    connection.sendall(b"x" * (1 << 20))
            except OSError:
                pass
            assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_20_mb_with_the_right_key_arrive(gateway, engine):
    assert gateway.ask(CHAT, method="POST", body="x" * (20 << 20)).status == 200
    assert engine.requests[-1]["bytes"] == 20 << 20


@pytest.mark.parametrize(
    "extra",
    [
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 40",
        "Content-Length: -1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
        "Content-Length: 4\r\nTransfer-Encoding : chunked",
    ],
)
def test_nothing_hides_behind_a_request_whose_end_is_ambiguous(gateway, engine, extra):
    """Whatever is answered, the engine sees one request at most."""
    hidden = "0\r\n\r\nGET /v1/models?hidden HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n"
    before = len(engine.requests)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{extra}\r\nConnection: close\r\n\r\n"
    gateway.raw((head + hidden).encode())
    assert len(engine.requests) <= before + 1
    assert not [each for each in engine.requests if "hidden" in each["target"]]


def test_what_no_one_can_read_is_refused_without_a_page_of_html(gateway):
    """Go answers these itself, before Caddy's routes: plain text."""
    for sent, code in (
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    ):
        answer = gateway.raw(sent)
        assert answer.startswith(f"HTTP/1.1 {code} ".encode())
        assert b"<html" not in answer


def test_plain_http_to_the_port_gets_one_sentence(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


def test_a_page_of_a_listed_origin_may_call_from_a_browser(gateway):
    asks = {
        "Origin": "https://app.example",
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type",
    }
    reply = gateway.ask(CHAT, None, "OPTIONS", **asks)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "https://app.example")
    assert reply.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    for key, status in ((KEY, 200), (None, 401)):
        reply = gateway.ask("/v1/models", key, Origin="https://app.example")
        assert (reply.status, reply.headers.get_all("Access-Control-Allow-Origin")) == (status, ["https://app.example"])
    other = gateway.ask("/v1/models", Origin="https://evil.example")
    assert other.headers["Access-Control-Allow-Origin"] is None, "the engine's own * ends at the gateway"
    assert gateway.ask(CHAT, None, "OPTIONS", **{**asks, "Origin": "https://evil.example"}).status == 405


def test_a_websocket_passes_both_ways(gateway, engine):
    head = (
        f"GET /v1/realtime?model=m HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with gateway.socket() as connection:
        connection.sendall(head.encode())
        assert b"101" in connection.recv(4096)
        connection.sendall(bytes([0x81, 0x82, 1, 2, 3, 4]) + bytes([ord("h") ^ 1, ord("i") ^ 2]))
        assert connection.recv(16) == b"\x81\x02hi"
    assert engine.requests[-1]["target"] == "/v1/realtime?model=m"


def test_the_log_names_the_key_and_holds_neither_keys_nor_content_nor_queries(own):
    gateway = own()
    gateway.ask(f"{CHAT}?secret-word", OTHER, "POST", {"messages": "prompt-word", "max_tokens": 2})
    gateway.ask("/v1/models", "wrong" * 8)
    gateway.ask("/v1/models", None, X_Api_Key=KEY)
    gateway.ask("/health", None)
    until(lambda: len(gateway.lines()) == 3)
    seen = [(line["key"], line["status"], line["request"]["uri"]) for line in gateway.lines()]
    assert seen == [("other", 200, CHAT), ("-", 401, "/v1/models"), ("default", 200, "/v1/models")]
    assert all(line["duration"] > 0 and line["size"] > 0 and "bytes_read" in line for line in gateway.lines())
    written = (gateway.folder / "log").read_text()
    assert not [word for word in (KEY, OTHER, "wrong" * 8, "prompt-word", "secret-word") if word in written]


def test_no_log_is_written_when_it_is_switched_off(own):
    gateway = own(access_log=False, engine_port=free_port())
    assert gateway.ask("/v1/models", None, X_Api_Key=KEY).status == 503
    gateway.close()
    assert gateway.lines() == []
    assert KEY not in (gateway.folder / "log").read_text()


def test_nobody_else_can_read_the_configuration_and_no_process_list_shows_it(own):
    gateway = own()
    assert (gateway.folder / "config.json").stat().st_mode & 0o077 == 0
    assert (gateway.folder / "admin").stat().st_mode & 0o077 == 0
    assert KEY not in Path(f"/proc/{gateway.process.pid}/cmdline").read_text()
    assert not list((gateway.folder / "data").rglob("autosave.json"))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", 2019)) != 0, "Caddy's admin API has no TCP port"


def test_the_page_has_the_same_certificate_and_its_own_ranges(own, engine):
    ports = free_port(), free_port()
    gateway = own(page=Page(ports[0], engine.port, ("127.0.0.0/8",)))
    reply = gateway.ask("/v1/models", None, port=ports[0], Cookie="a=b")
    seen = engine.requests[-1]["headers"]
    assert (reply.status, seen["cookie"], seen["x-forwarded-proto"]) == (200, "a=b", "https")
    gateway.configure(page=Page(ports[0], engine.port, ("10.0.0.0/8",)))
    asked = [gateway.ask("/v1/models", None, port=ports[0], source=f"127.0.0.{own}").status for own in (1, 2)]
    assert asked == [200, 403], (
        "the machine itself always may, whatever reaches it by a tunnel or looks whether it runs"
    )
    gateway.configure(page=Page(ports[0], ports[1], ("127.0.0.0/8",)))
    starting = gateway.ask("/", None, port=ports[0])
    assert (starting.status, starting.text) == (503, "The page is starting.\n")


def test_without_tls_it_answers_the_same(own):
    gateway = own(tls=Tls())
    assert [gateway.ask("/v1/models", key).status for key in (KEY, None)] == [200, 401]


def test_clients_that_name_another_server_get_the_certificate_all_the_same(gateway):
    """A forwarded name, an address of the machine's other network: the authority decides whether it's good."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-servername", "some.example"],
        input=b"",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert b"BEGIN CERTIFICATE" in done.stdout


def test_the_configuration_is_whole_in_the_program_s_own_eyes(tmp_path, gateway):
    changes: tuple[dict[str, Any], ...] = (
        {"tls": Tls("acme", name="api.example", email="a@b.example"), "page": Page(3000, 8180, ("10.0.0.0/8",))},
        {"tls": Tls("acme", name="192.0.2.1", directory="https://ca.example/dir")},
        {"task": "transcription", "cors_origins": ("*",), "allowed_cidrs": ("10.0.0.0/8",), "tls": TLS},
        {"task": "rerank", "access_log": False, "tls": Tls()},
    )
    for number, changed in enumerate(changes):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(render(type(gateway.config)({"a": KEY}, 8000, 8100, **changed))))
        done = subprocess.run(
            [ensure_caddy(), "validate", "--config", file],
            env={"HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
