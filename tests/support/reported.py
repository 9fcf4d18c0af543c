"""A whole report of a deployment that never was: two machines with two L20 each, a bill, a benchmark, a stall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from components.alicloud.costs import Bill, Rented
from planner import PlanRequest, find_model, plan, rented
from stacks.cost import Cost
from stacks.report.actual_timeline import rows
from stacks.report.machines import parse
from stacks.report.page import Report
from stacks.report.state import Difference

NOW = datetime(2026, 11, 29, 11, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=30)
URN = "urn:pulumi:dev::tandem::tandem:host:Host$command:local/command:Command::"
MINUTES = {  # when each was there, and what it waited for
    "network-vpc": (1, ()),
    "storage-nas": (2, ("network-vpc",)),
    "fetcher-instance": (3, ("network-vpc",)),
    "fetcher-prepare-done": (4, ("fetcher-instance", "storage-nas")),
    "fetcher-weights-done": (36, ("fetcher-prepare-done",)),
    "node-0-instance": (38, ("fetcher-weights-done",)),
    "node-1-instance": (38, ("fetcher-weights-done",)),
    "node-0-prepare-done": (46, ("node-0-instance",)),
    "node-1-prepare-done": (47, ("node-1-instance",)),
    "node-0-engine-image": (55, ("node-0-prepare-done",)),
    "node-1-engine-image": (56, ("node-1-prepare-done",)),
    "node-0-ray-count-done": (58, ("node-0-engine-image", "node-1-engine-image")),
    "node-0-engine-ready-done": (66, ("node-0-ray-count-done",)),
    "answer-asked": (67, ("node-0-engine-ready-done",)),
    "node-0-benchmark-done": (70, ("answer-asked",)),
}
STATE = """lease\t1795960000
workload\tnode-{n}-engine\trunning\t{restarts}\t2026-11-29T02:11:09.1Z\tsha256:1f
workload\tnode-{n}-ray\trunning\t0\t2026-11-28T05:58:00.1Z\tsha256:1f
"""
STALL = (
    'group\tnode-0-engine\t{"exits": 1, "exit": {"rank": 1, "machine": "node-1", "code": 137}, "error": "", '
    '"stalled": {}, "stalls": '
    '[{"time": 1795918000, "why": "no token for 75 s; rank 1 on node-1 gives no sign: SIGSTOP"}]}\n'
)


def resources() -> list[dict[str, Any]]:
    """A state's resources, with times."""
    return [
        {
            "urn": URN + name,
            "custom": True,
            "created": (BEGAN + timedelta(minutes=at)).isoformat(),
            "dependencies": [URN + need for need in needs],
        }
        for name, (at, needs) in {"key": (0, ()), **MINUTES}.items()
    ]


def level(streams: int, rate: float, bound: float, changed: float) -> dict[str, Any]:
    """One level of a benchmark."""
    return {
        "streams": streams,
        "input_tokens": 256,
        "output_tokens": 128,
        "requests": 64,
        "failed": 0,
        "seconds": 40.0,
        "tokens_per_second": rate,
        "requests_per_second": rate / 128,
        "ttft_ms": 90.0 + streams,
        "ttft_p99_ms": 400.0,
        "itl_ms": 31.5,
        "itl_p99_ms": 60.2,
        "planned": {"tokens_per_second": bound},
        "changed": {"tokens_per_second": changed, "ttft_ms": 1.0, "itl_ms": -1.0},
    }


def benchmark() -> dict[str, Any]:
    """A record, as components/benchmark/record.py keeps it."""
    levels = [level(1, 21.4, 32.0, 0.4), level(16, 290.5, 512.0, 2.0), level(64, 801.2, 1490.0, -6.5)]
    return {
        "date": "2026-11-29T10:40:00Z",
        "engine": "vllm",
        "version": "0.33.0",
        "mode": "quick",
        "error": "",
        "tool": "vllm bench serve",
        "image": "sha256:1f0c",
        "arguments": ["--tensor-parallel-size=2"],
        "missing": {},
        "levels": levels,
        "compared": {"date": "2026-11-28T06:10:00Z", "version": "0.33.0", "image": "sha256:1f0c"},
    }


def report(**changes: Any) -> Report:
    """The report; `changes` are fields of `Report`."""
    chosen = plan(PlanRequest(find_model("qwen2.5-72b-instruct"), (rented("ecs.gn8is-2x.8xlarge", 2),)))
    machines = tuple(
        Rented(
            f"i-{n}",
            f"tandem-dev-node-{n}",
            "ecs.gn8is-2x.8xlarge",
            "machine",
            "cn-hangzhou-h",
            BEGAN + timedelta(minutes=36),
            38.5,
            stopped=False,
            spot=False,
            release="2026-11-30T06:00:00Z",
        )
        for n in (0, 1)
    )
    fact = {"nic": "eth0", "hostname": "node", "addresses": "172.20.7.4", "cpus": "32", "memory_mib": "262144"}
    fact |= {"kernel": "5.15.0-91", "gpus": "2", "driver": "580.95"}
    texts = {"node-0": STATE.format(n=0, restarts=1) + STALL, "node-1": STATE.format(n=1, restarts=0)}
    whole: dict[str, Any] = {
        "stack": "dev",
        "made": NOW,
        "url": "https://203.0.113.10:8000/v1",
        "model": "qwen2.5-72b-instruct",
        "plan": chosen,
        "timeline": rows(chosen, resources()),
        "facts": dict.fromkeys(texts, fact),
        "machines": [parse(name, text) for name, text in texts.items()],
        "benchmarks": [benchmark()],
        "cost": Cost(machines, Bill(1520.0, "CNY", {"ecs": 1500.0, "nas": 20.0}), "", NOW, 2000.0),
        "differences": [Difference("node-1-engine", "Container", "replace", ("image",))],
    }
    return Report(**{**whole, **changes})
