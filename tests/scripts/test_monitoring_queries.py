"""The dashboard by Grafana's own SDK, and every query of panels and rules in a real Prometheus.

It asks what the real engine, an H200 and node exporter have said once (tests/e2e/test_monitoring_engine.py records it).
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time

import pytest
import requests
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from components.monitoring.files import relay, state
from tests.support import monitoring
from tests.support.recorded import Recording
from tests.support.waiting import free_port, until

RANKS = [
    state.Rank(
        True,
        ["x"],
        {
            "attempt": 2,
            "exits": 1,
            "exit": {"time": 1, "rank": 0, "machine": "n0", "code": 1, "words": ["error: memory"]},
        },
    ),
    state.Rank(
        True, ["x", "--rank=1"], {"attempt": 2, "error": "stood still 3 times", "stalls": [{"time": 1, "why": "x"}]}
    ),
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    folder, ports = tmp_path_factory.mktemp("prometheus"), monitoring.some_ports()
    seldom = (
        "tandem_certificate_expiry_timestamp_seconds",
        "tandem_certificate_lifetime_seconds",
        "tandem_accelerators",
        "tandem_gpus",
        "tandem_storage_latency_seconds",
        "tandem_storage_waiting_seconds",
        "tandem_measured_load_seconds",
        "tandem_measured_kv_cache_tokens",
        "tandem_measured_concurrency",
    )
    samples = [*state.rank_samples(RANKS, 0), *state.release("2099-01-01T00:00:00Z", False)]
    samples += [state.Sample(f"tandem_planned_{name}", {}, 1000.0) for name in monitoring.PLANNED]
    samples += [state.Sample(name, {}, 4e9) for name in seldom]
    samples.append(state.Sample("tandem_machine_release_timestamp_seconds", {"kind": "spot"}, 4e9))
    state.write(folder / "tandem.prom", state.render(samples))
    node = monitoring.node_exporter(folder, ports.node)
    engine, npu = free_port(), free_port()
    recordings = [
        Recording(engine, ["engine_before.prom", "engine_after.prom"]),
        Recording(ports.gpu, ["gpu.prom"]),
        Recording(npu, ["npu.prom"]),
        Recording(ports.gateway, ["keys_before.prom", "keys_after.prom"]),
        Recording(ports.alertmanager, ["alertmanager.prom"]),
    ]
    between = relay.Relay(ports.relay, {})
    threading.Thread(target=between.serve_forever, daemon=True).start()
    made = monitoring.Prometheus(folder, ports, engine, npu=npu)
    yield made
    made.close()
    node.kill()
    node.wait(10)
    between.shutdown()
    between.server_close()
    for recording in recordings:
        recording.close()


def test_grafanas_own_sdk_reads_the_dashboard_and_loses_nothing_of_it():
    register_default_plugins()
    given = json.loads(monitoring.DASHBOARD.read_text())
    back = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
    assert {line.partition(":")[0].rpartition(".")[2] for line in lost(given, back)} <= NEWER


NEWER = {"wideLayout", "showPercentChange", "percentChangeColorMode"}
"""Options of Grafana 11 and newer that the SDK for Python, of 10.1, does not know."""


def lost(given, back, path=""):
    """What decoding has left out or changed; what it adds are defaults."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            yield from lost(value, back.get(key, "nothing"), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, value in enumerate(given):
            yield from lost(value, back[number], f"{path}[{number}]")
    elif given != back:
        yield f"{path}: {given!r} became {back!r}"


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    found = json.loads(monitoring.DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_query_of_every_panel_gives_data_and_every_rule_has_its_series(prometheus):
    monitoring.wait_for_two_looks(prometheus)
    until(lambda: all(prometheus.values(query) for _, query in monitoring.panels()), 30)
    series = {one for _, expression in monitoring.rules() for one in monitoring.operands(expression)}
    assert {one for one in series if not prometheus.values(one)} <= {"node_infiniband_state_id"}


def test_rules_are_evaluated_and_an_alert_has_its_words(prometheus):
    """The second rank is down: what it says is filled in."""

    def firing():
        return {one["labels"]["alertname"]: one for one in prometheus.get("alerts")["alerts"]}

    until(lambda: "EngineDown" in firing(), 30)
    groups = prometheus.get("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    words = firing()["EngineDown"]["annotations"]
    last = "rank 0 on n0 ended with code 1: error: memory"
    assert words["summary"] == f"the engine does not answer on n0; users get 503. Last: {last}"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.mark.root
def test_a_disk_that_is_full_stops_neither_prometheus_nor_its_rules_and_with_room_it_goes_on(
    small_disk, tmp_path_factory
):
    ports = monitoring.some_ports()
    engine = Recording(free_port(), ["engine_before.prom"])
    between = relay.Relay(ports.relay, {})
    threading.Thread(target=between.serve_forever, daemon=True).start()
    made = monitoring.Prometheus(small_disk, ports, engine.port, gpus=False, log=tmp_path_factory.mktemp("log") / "log")

    def failed_writes():
        text = requests.get(made.base + "/metrics", timeout=60).text
        return sum(map(float, re.findall(r"^prometheus_tsdb_wal_writes_failed_total (\S+)$", text, re.M)))

    try:
        until(lambda: made.values("up{job='engine'}"), 30)
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as opened:
            while True:
                opened.write(bytes(4096))
                opened.flush()
        until(lambda: failed_writes() > 0, 60)
        assert made.ready()
        assert made.values("vector(1)") == [1]
        filler.unlink()
        until(lambda: time.time() - made.values("timestamp(up{job='engine'})")[0] < 3, 60)
    finally:
        made.close()
        engine.close()
