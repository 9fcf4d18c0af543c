"""What monitoring takes of a deployment under load: tokens a second with and without it, processors' time, memory.

Two machines, the real vLLM on processors. `Cost` measures any monitored deployment that is up.
"""

from __future__ import annotations

import math
import os
import re
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.load import Load
from tests.support.monitored import PROGRAMS, bring_up, make_deployment
from tests.support.processes import Used, used
from tests.support.webhook import listen

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(7200)]

MODEL = "tiny-qwen2"
OTHERS = {"docker": r"\bdockerd|containerd", "engine": r"rank_supervisor|vllm|VLLM", "gateway": r"caddy run"}
PAIRS = int(os.environ.get("TANDEM_PAIRS", "16"))
ROUND = float(os.environ.get("TANDEM_ROUND_SECONDS", "20"))
"""Seconds; shorter than what monitoring's clients wait."""
PORT = 8100
"""The engine's API on loopback of the first machine."""
READ = "import sys, urllib.request as r; print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1]).read().decode())"
STUDENT = {8: 2.365, 10: 2.262, 12: 2.201, 16: 2.131, 24: 2.069, 32: 2.040}
"""Of 97.5 %, by the number of pairs."""


class Cost:
    """Of one deployment's monitoring."""

    def __init__(self, deployment: Deployment, outputs: dict[str, Any]) -> None:
        self.deployment, self.outputs = deployment, outputs
        self.names = [each["name"] for each in deployment.config["machines"]]

    def used(self, programs: Mapping[str, str] = PROGRAMS) -> dict[str, dict[str, Used]]:
        """What each program has used until now, by machine."""
        return {name: used(self.deployment.machine(name).facts()["leader"], programs) for name in self.names}

    def freeze(self, *, frozen: bool) -> None:
        """Stops monitoring's programs where they are, or lets them go on."""
        signal, docker = ("STOP", "pause") if frozen else ("CONT", "unpause")
        # Prometheus is the first to stop and the last to go on: it sees nobody frozen.
        order = 1 if frozen else -1
        for name in self.names[::order]:
            stack, first = f"tandem-test-{name}", name == self.names[0]
            containers = [*(("prometheus", "alertmanager", "alert-relay") if first else ()), "node-exporter"]
            units = ["state", *(["gateway-metrics"] if first else [])]
            commands = [
                f"docker {docker} {' '.join(f'{stack}-{each}' for each in containers[::order])}",
                f"systemctl kill --signal={signal} {' '.join(f'{stack}-{each}' for each in units)}",
            ]
            self.deployment.ssh(name, " && ".join(commands[::order]))

    def tokens(self) -> float:
        """That the engine has computed until now, by its own counters."""
        said = self.deployment.ssh(self.names[0], f"python3 -c '{READ}' http://127.0.0.1:{PORT}/metrics")
        return sum(
            float(each) for each in re.findall(r"^vllm:(?:prompt|generation)_tokens_total{.*} (.*)$", said, re.M)
        )

    def tokens_per_second(self, *, frozen: bool) -> float:
        """While a load keeps it full, with monitoring's programs running or not."""
        if frozen:
            self.freeze(frozen=True)
        try:
            before, began = self.tokens(), time.monotonic()
            time.sleep(ROUND)
            return (self.tokens() - before) / (time.monotonic() - began)
        finally:
            if frozen:
                self.freeze(frozen=False)

    def compare(self, pairs: int) -> list[tuple[float, float]]:
        """Tokens a second with monitoring and without, a pair after the other, the order turned round each time."""
        found = []
        for number in range(pairs):
            order = (False, True) if number % 2 == 0 else (True, False)
            seen = {frozen: self.tokens_per_second(frozen=frozen) for frozen in order}
            found.append((seen[False], seen[True]))
            load = Path("/proc/loadavg").read_text().split()[0]
            print(f"with {seen[False]:.1f}, without {seen[True]:.1f} tokens/s, load {load}", flush=True)
        return found


def interval(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """What monitoring costs of tokens a second: 95 %, by Student's t over the pairs' logarithms."""
    changes = [math.log(without / watched) for watched, without in pairs]
    half = STUDENT[len(changes)] * statistics.stdev(changes) / math.sqrt(len(changes))
    return statistics.mean(changes) - half, statistics.mean(changes) + half


def summary(pairs: list[tuple[float, float]]) -> str:
    """Medians and the interval."""
    low, high = interval(pairs)
    return (
        f"median {statistics.median(one for one, _ in pairs):.1f} tokens/s with monitoring, "
        f"{statistics.median(one for _, one in pairs):.1f} without; it costs between {low:.1%} and {high:.1%}"
    )


@pytest.fixture(scope="module")
def cost(tmp_path_factory):
    deployment = make_deployment(tmp_path_factory.mktemp("cost"), "tandemcost", "10.99.0.0/24")
    webhook = listen(deployment.subnet)
    try:
        yield Cost(deployment, bring_up(deployment, webhook))
    finally:
        webhook.close()
        deployment.close()


def test_tokens_a_second_with_and_without(cost):
    """What is more than a hundredth for certain fails; the interval says what could be seen."""
    seconds = PAIRS * 2 * (ROUND + 30) + 120
    load = Load(cost.outputs, MODEL, clients=10, seconds=seconds, requests=100_000, longest=(75, 200), seed=3)
    before, began = cost.used(), time.monotonic()
    try:
        pairs = cost.compare(PAIRS)
    finally:
        counted = load.end()
    assert not counted.failed
    took, after = time.monotonic() - began, cost.used()
    for machine, programs in after.items():
        for program, now in programs.items():
            seconds = now.seconds - before[machine][program].seconds
            print(f"{machine} {program}: {seconds / took:.3%} of a processor, {now.mib:.0f} MiB")
    print(summary(pairs))
    assert interval(pairs)[0] < 0.01
    assert sum(each.mib for each in after[cost.names[0]].values()) < 200
