"""LiteLLM itself and PostgreSQL behind the real Caddy, before a stand-in engine: keys, budgets, limits, usage, faults.

The package of LiteLLM and Debian's PostgreSQL, by the scripts of their containers; in place of Prisma's native engines,
which no package index has, its WebAssembly build (tests/stand_ins/README.md). On machines: tests/e2e/test_team.py.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from components.gateway import Page
from tests.support.gateway import KEY, Gateway
from tests.support.team_parts import MASTER_KEY, START_SECONDS, Parts, priced
from tests.support.waiting import free_port, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
    pytest.mark.timeout(1500),
]

MODEL, ALIAS = "stand-in", "gpt-4o"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@pytest.fixture(scope="module")
def parts(tmp_path_factory, engine):
    made = Parts(tmp_path_factory.mktemp("team"), priced(MODEL, engine.port, ALIAS))
    yield made
    made.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, engine, parts):
    page = Page(free_port(), parts.port, ())
    made = Gateway(tmp_path_factory.mktemp("gateway"), engine.port, team=page)
    parts.wait(page.port)
    yield made
    made.close()


def admin(gateway, path: str, body: Any = None, key: str = MASTER_KEY) -> Any:
    """What LiteLLM's own port answers, with `found` as its JSON."""
    method = "GET" if body is None else "POST"
    reply = gateway.ask(path, key, method, body, port=gateway.config.team.port, Content_Type="application/json")
    if reply.headers["Content-Type"] == "application/json":
        reply.found = json.loads(reply.text)
    return reply


def new_key(gateway, **options: Any) -> str:
    reply = admin(gateway, "/key/generate", options)
    assert reply.status == 200, reply.text
    return str(reply.found["key"])


def ask(gateway, key: str, model: str = MODEL, path: str = CHAT, **options: Any) -> Any:
    question = {"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, **options}
    return gateway.ask(path, key, "POST", question, Content_Type="application/json")


def spent(gateway, key: str) -> float:
    return float(admin(gateway, f"/key/info?key={key}").found["info"]["spend"])


def test_a_key_is_refused_once_its_budget_is_used_up_and_its_usage_is_seen(gateway):
    key = new_key(gateway, max_budget=0.01, key_alias="alice")
    assert ask(gateway, key).status == 200
    # What is used is written down now and then; until then a key may exceed its budget.
    until(lambda: spent(gateway, key) > 0, 120)
    until(lambda: ask(gateway, key).status != 200, 120)
    reply = ask(gateway, key)
    assert (reply.status, json.loads(reply.text)["error"]["type"]) == (422, "budget_exceeded")
    rows = until(lambda: admin(gateway, f"/spend/logs?api_key={key}&summarize=false").found, 120)
    assert {row["model_group"] for row in rows} == {MODEL}
    assert sum(row["total_tokens"] for row in rows) > 0  # what was refused is there too, with none


def test_requests_a_minute_are_limited(gateway):
    key = new_key(gateway, rpm_limit=1)
    codes = [ask(gateway, key).status for _ in range(4)]  # a minute may end between two of them
    assert codes[0] == 200
    assert 429 in codes


def test_an_alias_is_the_model_and_another_name_is_refused(gateway):
    key = new_key(gateway)
    assert ask(gateway, key, ALIAS).status == 200
    assert ask(gateway, key, "another").status == 400


def test_anthropic_s_clients_are_answered_and_refused_in_their_shape(gateway):
    good, wrong = (ask(gateway, key, path=MESSAGES) for key in (new_key(gateway), "sk-wrong"))
    assert (good.status, json.loads(good.text)["type"]) == (200, "message")
    said = json.loads(wrong.text)
    assert (wrong.status, said["type"], said["error"]["type"]) == (401, "error", "authentication_error")
    assert ask(gateway, "sk-wrong").status == 401


def test_tokens_come_as_they_are_made(gateway):
    key, connection = new_key(gateway), gateway.connection()
    question = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 4}
    # The engine's own word for the tests: seconds between two tokens.
    body, headers = json.dumps({**question, "extra_body": {}, "pace": 1}), {"Authorization": f"Bearer {key}"}
    connection.request("POST", CHAT, body, {**headers, "Content-Type": "application/json"})
    reply, times = connection.getresponse(), []
    while line := reply.readline():
        if line.startswith(b'data: {"') and b'"content":"' in line.replace(b'": "', b'":"'):
            times.append(time.monotonic())
    connection.close()
    assert len(times) >= 4
    assert times[3] - times[0] > 2


def test_the_page_and_what_makes_keys_are_on_its_own_port_alone(gateway):
    page = admin(gateway, "/ui/")
    assert (page.status, "<html" in page.text) == (200, True)
    assert admin(gateway, "/key/list", key="sk-wrong").status == 401
    assert gateway.ask("/key/list", MASTER_KEY).status == 404


def test_keys_of_the_gateway_work_without_postgresql_and_virtual_ones_once_it_is_back(gateway, parts):
    key = new_key(gateway)
    parts.stop(parts.database, signal.SIGINT)
    assert ask(gateway, KEY).status == 200
    parts.start_database()
    until(lambda: ask(gateway, key).status == 200, 120)


def test_litellm_that_is_killed_comes_back_and_keys_of_the_gateway_work_meanwhile(gateway, parts):
    key = new_key(gateway)
    parts.stop(parts.proxy, signal.SIGKILL)
    down = ask(gateway, key)
    assert (down.status, json.loads(down.text)["error"]["code"]) == (503, "team_unavailable")
    assert ask(gateway, KEY).status == 200
    parts.start_proxy()
    until(lambda: ask(gateway, key).status == 200, START_SECONDS)
