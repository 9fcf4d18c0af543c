"""Whom the real Caddy asks by the key: the engine, or what stands for LiteLLM (itself: tests/e2e/test_team.py)."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.gateway import Page
from tests.support.engine import RunningEngine
from tests.support.gateway import KEY
from tests.support.waiting import free_port, until

VIRTUAL, STATIC = "sk-virtual", "sk-static"
KEYS = {"default": KEY, "other": STATIC}
QUESTION = {"max_tokens": 1}


class Refusal(BaseHTTPRequestHandler):
    """Knows no key, and says so in OpenAI's shape, as LiteLLM does."""

    def log_message(self, format, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"error": {"code": "of-litellm"}}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def litellm():
    running = RunningEngine()
    yield running
    running.close()


def beside(port: int) -> Page:
    return Page(free_port(), port, ())


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
def test_a_key_of_the_settings_goes_straight_and_any_other_of_its_kind_to_litellm_with_it(own, engine, litellm, header):
    gateway = own(keys=KEYS, team=beside(litellm.port))
    straight, through = len(engine.requests), len(litellm.requests)
    for key in (KEY, STATIC, VIRTUAL):
        sent = f"Bearer {key}" if header == "Authorization" else key
        assert gateway.ask("/v1/chat/completions", None, "POST", QUESTION, **{header: sent}).status == 200
    assert (len(engine.requests) - straight, len(litellm.requests) - through) == (2, 1)
    assert VIRTUAL in litellm.requests[-1]["headers"][header.lower()]
    assert header.lower() not in engine.requests[-1]["headers"]
    until(lambda: [line["key"] for line in gateway.lines()] == ["default", "other", "team"])


def test_what_litellm_can_t_know_is_refused_without_asking_it(own, litellm):
    gateway = own(keys=KEYS, team=beside(litellm.port))
    through = len(litellm.requests)
    assert gateway.ask("/v1/models", "x" * 40).status == 401
    assert gateway.ask("/v1/models", None).status == 401
    for path in ("/key/generate", "/ui/", "/v1/load_lora_adapter"):
        assert gateway.ask(path, VIRTUAL).status == 404
    assert len(litellm.requests) == through


def test_without_a_team_nobody_knows_such_a_key(own):
    assert own(keys=KEYS).ask("/v1/models", VIRTUAL).status == 401


def test_a_refusal_is_litellm_s_own_but_for_anthropic_s_clients_who_get_their_shape(own):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gateway = own(keys=KEYS, team=beside(server.server_address[1]))
    reply = gateway.ask("/v1/chat/completions", VIRTUAL, "POST", QUESTION)
    assert (reply.status, json.loads(reply.text)["error"]["code"]) == (401, "of-litellm")
    for path, header in (("/v1/messages", {}), ("/v1/chat/completions", {"Anthropic_Version": "2023-06-01"})):
        reply = gateway.ask(path, VIRTUAL, "POST", QUESTION, **header)
        said = json.loads(reply.text)
        assert (reply.status, said["type"], said["error"]["type"]) == (401, "error", "authentication_error")
    server.shutdown()


def test_litellm_that_is_down_is_reported_by_name_and_the_engine_answers_as_before(own, engine):
    gateway = own(keys=KEYS, team=beside(free_port()))
    reply = gateway.ask("/v1/chat/completions", VIRTUAL, "POST", QUESTION)
    assert (reply.status, json.loads(reply.text)["error"]["code"]) == (503, "team_unavailable")
    assert reply.headers["Retry-After"]
    assert gateway.ask("/v1/chat/completions", KEY, "POST", QUESTION).status == 200


def test_tokens_of_a_virtual_key_s_stream_come_one_by_one(own, litellm):
    gateway = own(keys=KEYS, team=beside(litellm.port))
    connection = gateway.connection()
    body = json.dumps({"stream": True, "max_tokens": 3, "pace": 60})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {VIRTUAL}"})
    reply = connection.getresponse()
    assert reply.readline().startswith(b"data: ")
    connection.close()
    until(lambda: "/v1/chat/completions" in litellm.cancelled)


def test_its_own_port_is_passed_on_whole_with_the_login_and_the_address_from_outside(own, litellm):
    page = beside(litellm.port)
    gateway = own(keys=KEYS, team=page)
    assert gateway.ask("/v1/models", "anything", port=page.port, Cookie="a=b").status == 200
    seen = litellm.requests[-1]["headers"]
    assert (seen["authorization"], seen["cookie"], seen["x-forwarded-proto"]) == ("Bearer anything", "a=b", "https")
