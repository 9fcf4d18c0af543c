"""Prometheus' configuration as a pure function: which machines and ports are asked, and by which rules judged.

JSON, which is YAML. Reference: https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FOLDER = "/tandem"
"""Where the files of a workload lie."""
PATH = "/monitoring"
"""Where the gateway has it."""
INTERVAL = "15s"
KEPT_OF_RAY = (
    "ray_(node_cpu_utilization|node_mem_used|node_mem_total|node_gpus_.*|object_store_memory|actors|cluster_.*)"
)
"""Of some hundred series of Ray those that a dashboard shows: what is kept costs memory."""
DROPPED = "|".join(
    (
        "(go|promhttp|net_conntrack|python)_.*",
        ".*_created",
        "http_(request|response)_.*",
        "node_scrape_collector_.*",
        "caddy_http_((request|response)_size_bytes|response_duration_seconds)_.*",
        "prometheus_(engine|http|sd|target|tsdb_(compaction|exemplar|head_gc|isolation|tombstone|wal_fsync))_.*",
        "alertmanager_(http|nflog|notification_latency_seconds|silences)_.*",
    )
)
"""Of all others what programs say of their inside, which no panel and no rule asks for: half of the series."""


@dataclass(frozen=True)
class Ports:
    """Where its parts listen: `node` and `gpu` on every machine, the others on loopback of the first."""

    prometheus: int
    alertmanager: int
    grafana: int
    relay: int
    gateway: int
    node: int
    gpu: int

    @classmethod
    def starting_at(cls, first: int, exporter: int) -> Ports:
        """Rows from `first` and `exporter` on."""
        return cls(first, first + 1, first + 2, first + 3, first + 4, exporter, exporter + 1)


@dataclass(frozen=True)
class Target:
    """A machine that is asked.

    Attributes:
        machine: its name in the settings.
        address: where the other machines reach it.
        gpus: it has an exporter of its GPUs.
    """

    machine: str
    address: str
    gpus: bool = False


def render_prometheus(
    targets: Sequence[Target], ports: Ports, *, engine: int | None, ray: int | None, npu: int | None
) -> str:
    """Prometheus' whole configuration.

    Args:
        targets: the machines, the first one first.
        ports: of monitoring's own parts.
        engine: the engine's API on loopback of the first machine; None where it has no metrics.
        ray: Ray's metrics on every machine; None without Ray.
        npu: npu-exporters on every machine; None for none.
    """
    head = targets[0].machine
    jobs = [
        _job("node", _every(targets, ports.node)),
        _job("gateway", _first(head, ports.gateway), metrics_path="/gateway/metrics"),
        _job("keys", _first(head, ports.gateway), metrics_path="/gateway/metrics/keys"),
        _job("prometheus", _first(head, ports.prometheus), metrics_path=f"{PATH}/prometheus/metrics"),
        _job("relay", _first(head, ports.relay)),
        _job("alertmanager", _first(head, ports.alertmanager), metrics_path=f"{PATH}/alertmanager/metrics"),
    ]
    if engine:
        jobs.append(_job("engine", _first(head, engine)))
    drop = {"source_labels": ["__name__"], "regex": DROPPED, "action": "drop"}
    for job in jobs:
        job["metric_relabel_configs"] = [drop]
    if ray:
        kept = {"source_labels": ["__name__"], "regex": KEPT_OF_RAY, "action": "keep"}
        jobs.append(_job("ray", _every(targets, ray), metric_relabel_configs=[kept]))
    if npu:
        jobs.append(_job("npu", _every(targets, npu)))
    if with_gpus := [target for target in targets if target.gpus]:
        jobs.append(_job("gpu", _every(with_gpus, ports.gpu)))
    manager = {
        "path_prefix": f"{PATH}/alertmanager",
        "static_configs": [{"targets": [f"127.0.0.1:{ports.alertmanager}"]}],
    }
    return json.dumps(
        {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": "10s", "evaluation_interval": INTERVAL},
            "rule_files": ["rules/*.yml"],
            "alerting": {"alertmanagers": [manager]},
            "scrape_configs": jobs,
        }
    )


def _job(name: str, static: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    return {"job_name": name, "static_configs": static, **more}


def _first(machine: str, port: int) -> list[dict[str, Any]]:
    return [{"targets": [f"127.0.0.1:{port}"], "labels": {"machine": machine}}]


def _every(targets: Sequence[Target], port: int) -> list[dict[str, Any]]:
    return [{"targets": [f"{_host(each.address)}:{port}"], "labels": {"machine": each.machine}} for each in targets]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
