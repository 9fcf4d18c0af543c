"""An alert on its whole way: a stall that state.py wrote, real Prometheus, real Alertmanager, the relay, receivers.

Debian's programs with the configuration and the words of the component; only the waits are shorter.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from components.monitoring.alertmanager import relayed, render_alertmanager
from components.monitoring.files import relay, state
from components.monitoring.prometheus import PATH
from localcloud.fixtures.prometheus import ensure_prometheus
from tests.support import monitoring
from tests.support.recorded import Recording
from tests.support.waiting import free_port, until


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets, and answers as both robots and any webhook would."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, format, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path.partition("?")[0], body))
        answer = b'{"errcode": 0, "code": 0}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The receiver, Prometheus and Alertmanager's URL; a webhook of the receivers is down."""
    folder, ports = tmp_path_factory.mktemp("chain"), monitoring.some_ports()
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{receiver.server_address[1]}"
    receivers = {
        "webhook": f"http://127.0.0.1:{free_port()}/nobody", "dingtalk": f"{base}/dingtalk?access_token=t",
        "dingtalkSecret": "s", "feishu": f"{base}/feishu", "feishuSecret": "s",
    }  # fmt: skip
    between = relay.Relay(ports.relay, json.loads(relayed(receivers)))
    threading.Thread(target=between.serve_forever, daemon=True).start()
    config = json.loads(render_alertmanager(receivers, None, ports.relay))
    config["route"]["group_wait"] = "1s"
    (folder / "alertmanager.json").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{ports.alertmanager}{PATH}/alertmanager"
    manager = subprocess.Popen(
        [
            ensure_prometheus() / "alertmanager",
            f"--config.file={folder}/alertmanager.json",
            f"--storage.path={folder}/alerts",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{ports.alertmanager}",
            f"--web.external-url=https://gateway.example{PATH}/alertmanager/",
            f"--web.route-prefix={PATH}/alertmanager",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stalls = [{"time": time.time(), "why": "no token for 61 s: rank 1 on n1 gives no sign"}]
    rank = state.Rank(True, ["x"], {"attempt": 2, "exits": 0, "stalls": stalls})
    state.write(folder / "tandem.prom", state.render(state.rank_samples([rank], 0)))
    node, engine = monitoring.node_exporter(folder, ports.node), Recording(free_port(), ["engine_before.prom"])
    (folder / "prometheus").mkdir()
    prometheus = monitoring.Prometheus(folder / "prometheus", ports, engine.port, gpus=False)
    yield receiver, prometheus, url
    prometheus.close()
    for process in (manager, node):
        process.kill()
        process.wait(10)
    for server in (receiver, between, engine.server):
        server.shutdown()
        server.server_close()


def test_a_stall_reaches_both_robots_with_its_remedy_and_signature(chain):
    receiver, _, _ = chain
    until(lambda: {"/dingtalk", "/feishu"} <= {path for path, _ in receiver.got}, 60)
    bodies = dict(receiver.got)
    for text in (bodies["/dingtalk"]["markdown"]["text"], bodies["/feishu"]["content"]["text"]):
        assert "EngineStoodStill" in text
        assert "rank 0 on n0 stood still" in text
        assert "What mends it: its group is started again by itself" in text
    assert bodies["/feishu"]["sign"]


def test_a_receiver_that_is_down_is_counted_and_harms_nobody(chain):
    _, prometheus, url = chain

    def failed():
        lines = requests.get(f"{url}/metrics", timeout=10).text.splitlines()
        name = 'alertmanager_notifications_failed_total{integration="webhook"'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def tried():
        lines = requests.get(f"{url}/metrics", timeout=10).text.splitlines()
        name = 'alertmanager_notification_requests_failed_total{integration="webhook"'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    until(lambda: failed() + tried() > 0, 60)
    assert prometheus.ready()
    assert requests.get(f"{url}/-/healthy", timeout=10).status_code == 200
