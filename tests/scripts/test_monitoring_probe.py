"""monitoring_probe.py: an `up` succeeds when each of monitoring's programs answers, and names the one that doesn't."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.paths import ROOT

PROBE = ROOT / "components/monitoring/files/monitoring_probe.py"
LOGIN = "Basic " + base64.b64encode(b"monitoring:p").decode()
REFUSED = "dial tcp 127.0.0.1:9391: connect: connection refused"


def target(job: str, machine: str = "n0", health: str = "up", why: str = "") -> dict[str, Any]:
    labels = {"job": job, "machine": machine}
    return {"labels": labels, "health": health, "lastError": why, "scrapeUrl": f"http://{machine}/{job}"}


def whole() -> list[dict[str, Any]]:
    first = [target(job) for job in ("prometheus", "alertmanager", "relay", "keys", "node")]
    return [*first, target("node", "n1"), target("engine", health="down", why="it loads")]


class Stack(ThreadingHTTPServer):
    """Prometheus and Grafana as they are behind the gateway, of two machines."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.targets = whole()
        self.looks = itertools.count()
        self.asks_again, self.grafana, self.open = True, True, False
        self.written = ["n0", "n1"]


class Page(BaseHTTPRequestHandler):
    server: Stack

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        stack, path = self.server, self.path.removeprefix("/monitoring").partition("?")[0]
        if self.headers.get("Authorization") != LOGIN and not stack.open:
            return self.answer(401, {})
        if path == "/api/health":
            return self.answer(200 if stack.grafana else 503, {"database": "ok"})
        data: dict[str, Any] = {"groups": [{"rules": [1, 2]}]}
        if path == "/prometheus/api/v1/targets":
            moment = str(next(stack.looks) if stack.asks_again else 0)
            data = {"activeTargets": [{**one, "lastScrape": moment} for one in stack.targets]}
        elif path == "/prometheus/api/v1/query":
            data = {"result": [{"metric": {"machine": name}} for name in stack.written]}
        return self.answer(200, {"status": "success", "data": data})

    def answer(self, code, said):
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def stack():
    server = Stack()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def probe(stack, *, grafana=True, seconds=30):
    call = {"url": f"http://127.0.0.1:{stack.server_address[1]}/monitoring", "user": "monitoring", "password": "p"}
    return subprocess.run(
        [sys.executable, PROBE],
        input=json.dumps({**call, "grafana": grafana}),
        env={**os.environ, "TANDEM_LOGIN_SECONDS": str(seconds)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_all_answer_and_what_is_watched_besides_may_be_down(stack):
    done = probe(stack)
    assert (done.returncode, done.stdout) == (0, "2"), done.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"targets": [*whole(), target("alertmanager", health="down", why=REFUSED)]},
            f"Alertmanager on n0 does not answer ({REFUSED})",
        ),
        (
            {"targets": [*whole(), target("node", "n2", "down", "timeout")]},
            "node exporter on n2 does not answer (timeout)",
        ),
        (
            {"targets": [*whole(), target("gpu", "n1", "unknown")]},
            "the exporter of GPUs on n1 does not answer (it was not asked yet)",
        ),
        (
            {"targets": [*whole(), target("relay", health="down", why="x")]},
            "the alerts' relay on n0 does not answer (x)",
        ),
        ({"asks_again": False}, "Prometheus on n0 was not asked again yet"),
        ({"written": ["n0"]}, "state.py on n1 has written nothing"),
        ({"grafana": False}, "Grafana does not answer (HTTP Error 503"),
        ({"open": True}, "shows everybody what only the login may see"),
    ],
)
def test_a_program_that_does_not_answer_fails_the_up_by_its_name(stack, change, expected):
    for name, value in change.items():
        setattr(stack, name, value)
    done = probe(stack, seconds=3)
    assert done.returncode == 1
    assert expected in done.stderr.splitlines()[-1]


def test_a_deployment_without_grafana_is_not_asked_for_it(stack):
    stack.grafana = False
    assert probe(stack, grafana=False).returncode == 0
