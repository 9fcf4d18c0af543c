"""Every query of every panel and rule against the real engine: vLLM on processors under its supervisor, the real Caddy.

Prometheus, node exporter and what writes the state are real too; a GPU and an NPU are recorded, for there is none here.
Run with TANDEM_WRITE=1 it writes down the engine's metrics for the default suite, and the table of docs/monitoring.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from components.gateway import Monitored
from components.gateway.gateway import FILES as GATEWAY_FILES
from components.monitoring.monitoring import FILES
from components.serving.replica import PROGRAMS
from localcloud.fixtures import ensure_environment, ensure_model
from tests.support import monitoring
from tests.support.gateway import Gateway
from tests.support.paths import ROOT
from tests.support.recorded import RECORDED, Recording
from tests.support.waiting import free_port, until

pytestmark = [pytest.mark.root, pytest.mark.long]

MODEL = "tiny-qwen2"
WRITE = os.environ.get("TANDEM_WRITE") == "1"
DOCUMENT = ROOT / "docs/monitoring.md"
BEGIN, END = "<!-- queries -->\n", "<!-- end of queries -->\n"
ENGINE = [
    "env",
    "VLLM_CPU_OMP_THREADS_BIND=nobind",
    "OMP_NUM_THREADS=1",
    "HF_HUB_OFFLINE=1",
    "VLLM_NO_USAGE_STATS=1",
    "TORCHDYNAMO_DISABLE=1",
    "vllm",
    "serve",
    "/mnt/model",
    f"--served-model-name={MODEL}",
    "--host=127.0.0.1",
    "--max-model-len=512",
    "--max-num-seqs=4",
    "--kv-cache-memory-bytes=67108864",
    "--dtype=float32",
    "--enforce-eager",
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Its port, and the folder of its process."""
    folder, port = tmp_path_factory.mktemp("engine"), free_port()
    own = folder / "processes/engine"
    (own / "files").mkdir(parents=True)
    shutil.copytree(ensure_model(), folder / "model")
    for name in PROGRAMS:
        shutil.copy(ROOT / "components/serving/files" / name, own / "files")
    supervisor = shutil.copy(ROOT / "components/machine/files/process_supervisor.py", own)
    inside = ROOT / "localcloud/fixtures/files/inside.sh"
    words = ["python3", "./files/rank_supervisor.py", "--group=peers", f"--state={own}/files", "--machine=n0", "--"]
    argv = [*words, "bash", str(inside), str(ensure_environment()), str(folder), *ENGINE, f"--port={port}"]
    spec = {"argv": argv, "environment": {}, "path": [], "renames": {}, "owner": "tandem-monitoring-test"}
    (own / "spec.json").write_text(json.dumps(spec))
    subprocess.run([sys.executable, supervisor, "start", own], check=True, timeout=60)
    try:
        until(lambda: answers(port), 600)
        yield port, folder / "processes"
    finally:
        subprocess.run([sys.executable, supervisor, "stop", own], check=False, timeout=120)


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def watched(engine, tmp_path_factory):
    """Gateway and Prometheus before the engine."""
    port, processes = engine
    folder, ports = tmp_path_factory.mktemp("watched"), monitoring.some_ports()
    monitored = Monitored("monitoring", "p" * 16, ports.prometheus, ports.alertmanager, None, ports.gateway)
    gateway = Gateway(folder, port, monitored=monitored)
    state = processes / "state/files"
    state.mkdir(parents=True)
    shutil.copy(FILES / "state.py", state)
    config = {
        "stack": "t",
        "docker": False,
        "storage": str(folder),
        "api": port,
        "gateway": gateway.port,
        "spot": False,
        "release": "2099-01-01T00:00:00Z",
        "accelerators": 1,
        "gpus": 1,
        "smi": False,
        "figures": {f"planned_{name}": 1000.0 for name in monitoring.PLANNED} | {"measured_load_seconds": 1.0},
    }
    (state / "state.json").write_text(json.dumps(config))
    (folder / "state").mkdir()
    (folder / "relay.json").write_text("{}")
    environment = {**os.environ, "TANDEM_STATE_SECONDS": "1"}
    running = [
        subprocess.Popen([sys.executable, GATEWAY_FILES / "key_metrics.py", folder]),
        subprocess.Popen([sys.executable, state / "state.py", state / "state.json", folder / "state"], env=environment),
        subprocess.Popen([sys.executable, FILES / "relay.py", folder / "relay.json", str(ports.relay)]),
        monitoring.node_exporter(folder / "state", ports.node),
    ]
    recordings = [Recording(ports.gpu, ["gpu.prom"]), Recording(free_port(), ["npu.prom"])]
    (folder / "prometheus").mkdir()
    manager = Recording(ports.alertmanager, ["alertmanager.prom"])
    prometheus = monitoring.Prometheus(folder / "prometheus", ports, port, npu=recordings[1].port)
    yield gateway, prometheus, running[1:]
    prometheus.close()
    for process in (*running, gateway.process):
        process.kill()
        process.wait(10)
    for recording in (*recordings, manager):
        recording.close()


def counted(gateway: Gateway) -> str:
    """Requests by key."""
    port = gateway.config.monitored.metrics_port if gateway.config.monitored else 0
    return requests.get(f"http://127.0.0.1:{port}/gateway/metrics/keys", timeout=10).text


def complete(gateway: Gateway, number: int) -> int:
    body = {"model": MODEL, "prompt": f"Number {number % 3} of a list of words:", "max_tokens": 24, "ignore_eos": True}
    return int(gateway.ask("/v1/completions", method="POST", body=body, Content_Type="application/json").status)


def test_every_query_gives_data(watched, engine):
    gateway, prometheus, _ = watched
    before = requests.get(f"http://127.0.0.1:{engine[0]}/metrics", timeout=10).text
    monitoring.wait_for_two_looks(prometheus)
    keys_before = counted(gateway)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: complete(gateway, number), range(48))) == {200}
    gateway.ask("/v1/models", "wrong-key")
    time.sleep(4)
    after = requests.get(f"http://127.0.0.1:{engine[0]}/metrics", timeout=10).text
    silent = [title for title, query in monitoring.panels() if not prometheus.values(query)]
    assert set(silent) <= MAY_BE_EMPTY
    missing = {s for _, rule in monitoring.rules() for s in monitoring.operands(rule) if not prometheus.values(s)}
    assert missing <= NOT_HERE
    if WRITE:
        for moment, text in (("before", keys_before), ("after", counted(gateway))):
            (RECORDED / f"keys_{moment}.prom").write_text(text)
        (RECORDED / "engine_before.prom").write_text(asked_for(before))
        (RECORDED / "engine_after.prom").write_text(asked_for(after))
        text = DOCUMENT.read_text()
        head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        DOCUMENT.write_text(head + monitoring.table(prometheus) + tail)


def asked_for(text: str) -> str:
    """The lines of metrics that some panel or rule asks for."""
    names = set(re.findall(r"vllm:\w+", str([*monitoring.panels(), *monitoring.rules(), monitoring.recorded()])))
    return "".join(line for line in text.splitlines(keepends=True) if re.split(r"[ {]", line)[0] in names)


MAY_BE_EMPTY = {"What ended or stopped a rank last", "Alerts that fire"}
"""What a deployment in good health has none of."""
NOT_HERE = {
    "tandem_rank_last_exit_timestamp_seconds",
    "tandem_rank_last_stall_timestamp_seconds",
    'tandem_machine_release_timestamp_seconds{kind="spot"}',
    "node_infiniband_state_id",
}


def test_prometheus_stays_below_200_mib(watched):
    _, prometheus, _ = watched
    assert prometheus.memory_mib < 200


def test_it_costs_less_than_a_hundredth_of_a_processor(watched):
    """Looked at each second here, and each 15 s in a deployment. The processors' time, whatever else runs here."""
    _, prometheus, others = watched
    pids = [prometheus.process.pid, *(process.pid for process in others)]
    before, began = sum(map(seconds_of, pids)), time.monotonic()
    time.sleep(30)
    share = (sum(map(seconds_of, pids)) - before) / (time.monotonic() - began) / 15
    print(f"monitoring takes {share:.2%} of a processor, Prometheus {prometheus.memory_mib:.0f} MiB")
    assert share < 0.01


def seconds_of(pid: int) -> float:
    """Processor time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
