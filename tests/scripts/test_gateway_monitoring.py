"""Monitoring behind the real Caddy: a login of its own, the paths of each part, and metrics for loopback alone."""

from __future__ import annotations

import base64
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.gateway import Monitored
from tests.support.gateway import Gateway
from tests.support.waiting import free_port

PASSWORD = "it's a pass:word"  # noqa: S105  # of the test's own gateway


class PartServer(ThreadingHTTPServer):
    """One part."""

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Part)
        self.name = name


class Part(BaseHTTPRequestHandler):
    """Says which part it is, what path it was asked for, and whether it saw the login."""

    server: PartServer

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        body = f"{self.server.name} {self.path} {self.headers.get('Authorization')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def parts():
    servers = {}
    for name in ("prometheus", "alertmanager", "grafana"):
        server = servers[name] = PartServer(name)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {name: server.server_address[1] for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(parts, tmp_path_factory):
    monitored = Monitored(
        "monitoring", PASSWORD, parts["prometheus"], parts["alertmanager"], parts["grafana"], free_port()
    )
    made = Gateway(tmp_path_factory.mktemp("gateway"), free_port(), monitored=monitored)
    yield made
    made.process.kill()
    made.process.wait(10)


def login(password=PASSWORD, user="monitoring"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "word", [None, "", "Basic ", login("wrong"), login(user="admin"), login() + "x", "Bearer " + "k.y" * 16]
)
def test_nobody_comes_in_without_the_login_and_an_api_key_is_none(gateway, word):
    given = {} if word is None else {"Authorization": word}
    for path in ("/monitoring/", "/monitoring/prometheus/api/v1/query", "/monitoring/alertmanager/", "/Monitoring/x"):
        reply = gateway.ask(path, None, **given)
        assert reply.status == 401, path
        assert reply.getheader("WWW-Authenticate").startswith('Basic realm="monitoring"')


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/monitoring/prometheus/api/v1/query?query=up", "prometheus"),
        ("/monitoring/alertmanager/api/v2/alerts", "alertmanager"),
        ("/monitoring/d/tandem", "grafana"),
        ("/monitoring/", "grafana"),
        ("/monitoring/prometheusx", "grafana"),
    ],
)
def test_each_part_is_at_its_path_and_learns_no_login(gateway, path, part):
    assert gateway.ask(path, None, Authorization=login()).text == f"{part} {path} None"


def test_the_folder_itself_leads_inside(gateway):
    reply = gateway.ask("/monitoring", None, Authorization=login())
    assert (reply.status, reply.getheader("Location")) == (302, "/monitoring/")


def test_without_grafana_prometheus_own_pages_are_there(parts, tmp_path):
    monitored = Monitored("monitoring", PASSWORD, parts["prometheus"], parts["alertmanager"], None, free_port())
    gateway = Gateway(tmp_path, free_port(), monitored=monitored)
    try:
        reply = gateway.ask("/monitoring/", None, Authorization=login())
        assert (reply.status, reply.getheader("Location")) == (302, "/monitoring/prometheus/")
    finally:
        gateway.process.kill()
        gateway.process.wait(10)


def test_a_part_that_is_down_is_said_and_the_api_goes_on(parts, tmp_path):
    monitored = Monitored("monitoring", PASSWORD, free_port(), parts["alertmanager"], None, free_port())
    gateway = Gateway(tmp_path, parts["grafana"], monitored=monitored)
    try:
        reply = gateway.ask("/monitoring/prometheus/", None, Authorization=login())
        assert (reply.status, "does not need it" in reply.text) == (503, True)
        assert gateway.ask("/v1/models").status == 200
    finally:
        gateway.process.kill()
        gateway.process.wait(10)


def test_the_gateways_own_metrics_are_on_loopback_and_not_at_its_port(gateway):
    port = gateway.config.monitored.metrics_port
    gateway.ask("/v1/models")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/gateway/metrics")
    assert "caddy_http_requests_total" in connection.getresponse().read().decode()
    assert gateway.ask("/gateway/metrics", None).status == 404
    assert gateway.ask("/metrics", None).status == 404


def test_who_has_logged_in_is_in_no_access_log_and_a_wrong_login_is(gateway):
    gateway.ask("/monitoring/d/seen", None, Authorization=login())
    gateway.ask("/monitoring/d/guessed", None, Authorization=login("guess"))
    written = (gateway.folder / "log").read_text()
    assert "/monitoring/d/guessed" in written
    assert "/monitoring/d/seen" not in written
