"""An alert on its whole way: a stopped engine, its supervisor, state.py, Prometheus, Alertmanager, relay and receivers.

Debian's programs with the configuration and the words of the component; only the waits are shorter, and the engine is a
stand-in that counts tokens.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from components.monitoring.alertmanager import relayed, render_alertmanager
from components.monitoring.files import relay
from components.monitoring.monitoring import FILES
from components.monitoring.prometheus import PATH
from localcloud.fixtures.prometheus import LAUNCHERS, ensure_prometheus
from tests.support import monitoring
from tests.support.paths import ROOT
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


class Supervised:
    """A stand-in engine under the supervisor of ranks, under that of processes, as on a machine without containers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, files = folder, ROOT / "components/serving/files"
        self.program = ROOT / "components/machine/files/process_supervisor.py"
        shutil.copy(self.program, folder)
        engine = [sys.executable, str(ROOT / "tests/scripts/counted_engine.py"), str(port), str(folder / "pids")]
        watched = {"base": f"http://127.0.0.1:{port}/v1", "model": "m", "task": "chat", "folder": str(folder)}
        (folder / "liveness.json").write_text(json.dumps({**watched, "series": ["vllm:generation_tokens_total"]}))
        words = [
            f"--state={folder}/files",
            f"--liveness={folder}/liveness.json",
            "--machine=n0",
            "--accelerator=nvidia",
        ]
        argv = [sys.executable, str(files / "rank_supervisor.py"), "--group=peers", "--ranks=1", *words, "--", *engine]
        short = {"TANDEM_LIVENESS_SECONDS": "2", "TANDEM_STALL_SECONDS": "2"}
        spec = {"argv": argv, "environment": short, "path": [], "renames": {}, "owner": f"alerts-{os.getpid()}"}
        (folder / "spec.json").write_text(json.dumps(spec))
        subprocess.run([sys.executable, self.program, "start", folder], check=True, timeout=60)

    def freeze(self) -> None:
        """SIGSTOP of the engine."""
        os.kill(int((self.folder / "pids").read_text().split()[-1]), signal.SIGSTOP)

    def stop(self) -> None:
        subprocess.run([sys.executable, self.program, "stop", self.folder], check=False, timeout=120)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The receiver, Prometheus and Alertmanager's URL; a webhook of the receivers is down."""
    folder, ports = tmp_path_factory.mktemp("chain"), monitoring.some_ports()
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{receiver.server_address[1]}"
    receivers = {
        "webhook": f"http://127.0.0.1:{free_port()}/nobody",
        "dingtalk": f"{base}/dingtalk?access_token=t",
        "dingtalkSecret": "s",
        "feishu": f"{base}/feishu",
        "feishuSecret": "s",
    }
    between = relay.Relay(ports.relay, json.loads(relayed(receivers)))
    threading.Thread(target=between.serve_forever, daemon=True).start()
    config = json.loads(render_alertmanager(receivers, None, ports.relay))
    config["route"]["group_wait"] = "1s"
    (folder / "alertmanager.json").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{ports.alertmanager}{PATH}/alertmanager"
    manager = subprocess.Popen(
        [
            ensure_prometheus() / LAUNCHERS / "alertmanager",
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
    port = free_port()
    (folder / "processes/engine/files").mkdir(parents=True)
    supervised = Supervised(folder / "processes/engine", port)
    state = folder / "processes/state/files"
    state.mkdir(parents=True)
    shutil.copy(FILES / "state.py", state)
    config = {
        "stack": "t",
        "docker": False,
        "storage": "",
        "api": port,
        "gateway": 0,
        "release": "",
        "spot": False,
        "accelerators": 0,
        "gpus": 0,
        "smi": False,
        "figures": {},
    }
    (state / "state.json").write_text(json.dumps(config))
    writer = subprocess.Popen(
        [sys.executable, state / "state.py", state / "state.json", folder],
        env={**os.environ, "TANDEM_STATE_SECONDS": "1"},
    )
    node = monitoring.node_exporter(folder, ports.node)
    (folder / "prometheus").mkdir()
    prometheus = monitoring.Prometheus(folder / "prometheus", ports, port, gpus=False)
    yield receiver, prometheus, url, supervised
    prometheus.close()
    supervised.stop()
    for process in (manager, node, writer):
        process.kill()
        process.wait(10)
    for server in (receiver, between):
        server.shutdown()
        server.server_close()


def test_an_engine_that_is_stopped_reaches_both_robots_with_what_mends_it(chain):
    receiver, prometheus, _, supervised = chain
    until(lambda: prometheus.values('tandem_rank_state{state="serving"} == 1'), 180)
    assert not receiver.got
    supervised.freeze()
    until(lambda: {"/dingtalk", "/feishu"} <= {path for path, _ in receiver.got}, 120)
    bodies = dict(receiver.got)
    for text in (bodies["/dingtalk"]["markdown"]["text"], bodies["/feishu"]["content"]["text"]):
        assert "EngineStoodStill" in text
        assert "rank 0 on n0 stood still" in text
        assert "What mends it: its group is started again by itself" in text
    assert bodies["/feishu"]["sign"]


def test_a_receiver_that_is_down_is_counted_and_harms_nobody(chain):
    _, prometheus, url, _ = chain

    def failed():
        lines = requests.get(f"{url}/metrics", timeout=60).text.splitlines()
        name = 'alertmanager_notifications_failed_total{integration="webhook"'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def tried():
        lines = requests.get(f"{url}/metrics", timeout=60).text.splitlines()
        name = 'alertmanager_notification_requests_failed_total{integration="webhook"'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    until(lambda: failed() + tried() > 0, 60)
    assert prometheus.ready()
    assert requests.get(f"{url}/-/healthy", timeout=60).status_code == 200
