"""Natively, the processes that a stack declares start real programs: as delivered, by the supervisor of the machine.

The graph is the composition's own; a machine is stood for by a folder, its address by loopback.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import subprocess
import sys
import tarfile

import pytest
import requests
from google.protobuf.json_format import MessageToDict

from components.monitoring.prometheus import PATH
from localcloud.fixtures.prometheus import LAUNCHERS, ensure_prometheus
from tests.support.graph import graph
from tests.support.waiting import free_port, until

NAMES = ("n0-prometheus", "n0-alertmanager", "n0-node-exporter", "n0-state", "n0-alert-relay")


pytestmark = pytest.mark.long  # real looks come each 15 s


@pytest.fixture
def ports(monkeypatch, tmp_path):
    """Prometheus' port and node exporter's, once all processes of the first machine are started."""
    first, exporter = free_port(), free_port()
    runtime = {
        "runtime": "native",
        "storage": {"path": "/data"},
        "native": {"packages": ["vllm==0.33.0"], "path": ["/opt/prometheus"], "folder": str(tmp_path / "own")},
    }
    section = {"enabled": True, "grafana": False, "firstPort": first, "exporterPort": exporter}
    seen = graph(monkeypatch, tmp_path, machines=1, executor="mp", runtime=runtime, monitoring=section)
    home = tmp_path / "own/tandem-t"
    for name in ("state", "prometheus", "alertmanager"):
        (home / "monitoring" / name).mkdir(parents=True)
    programs = ensure_prometheus()
    environment = {**os.environ, "PATH": f"{programs / LAUNCHERS}:{programs}:{os.environ['PATH']}"}
    folders = [home / "processes" / name for name in NAMES]
    for folder in folders:
        folder.mkdir(parents=True)
        packed = MessageToDict(seen[folder.name].object)["stdin"]
        text = packed["value"] if isinstance(packed, dict) else packed
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(base64.b64decode(text.split("\n", 1)[1])))) as archive:
            archive.extractall(folder, filter="data")
        for file in (folder / "spec.json", *(f for f in (folder / "files").rglob("*") if f.is_file())):
            file.write_text(file.read_text().replace("10.0.0.1", "127.0.0.1"))
        words = [sys.executable, folder / "process_supervisor.py", "start", folder]
        subprocess.run(words, env=environment, check=True, timeout=60)
    yield first, exporter
    for folder in folders:
        subprocess.run([sys.executable, folder / "process_supervisor.py", "stop", folder], check=False, timeout=60)


def test_the_declared_processes_are_prometheus_and_its_companions_and_know_each_other(ports):
    first, exporter = ports

    def get(port, path):
        try:
            return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).text
        except requests.RequestException:
            return ""

    until(lambda: "tandem_accelerators 1" in get(exporter, "/metrics"), 60)
    until(lambda: "Ready" in get(first, f"{PATH}/prometheus/-/ready"), 60)
    until(lambda: f"{PATH}/alertmanager/api" in get(first, f"{PATH}/prometheus/api/v1/alertmanagers"), 60)

    def jobs():
        found = requests.get(f"http://127.0.0.1:{first}{PATH}/prometheus/api/v1/targets", timeout=60).json()
        return {one["labels"]["job"]: one["health"] for one in found["data"]["activeTargets"]}

    until(lambda: {jobs().get(name) for name in ("node", "alertmanager", "prometheus", "relay")} == {"up"}, 60)
    rules = requests.get(f"http://127.0.0.1:{first}{PATH}/prometheus/api/v1/rules", timeout=60).json()
    assert {group["name"] for group in rules["data"]["groups"]} == {
        "accelerators",
        "cloud",
        "engine",
        "machines",
        "records",
    }
