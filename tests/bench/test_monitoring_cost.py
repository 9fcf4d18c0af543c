"""What monitoring takes of a deployment under load: tokens a second with and without it, processors' time, memory.

Two machines, the real vLLM on processors. `Cost` measures any monitored deployment that is up.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Mapping
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
PAIRS = int(os.environ.get("TANDEM_PAIRS", "8"))
ROUND_REQUESTS = 24
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
        number = "STOP" if frozen else "CONT"
        for name in self.names:
            stack = f"tandem-test-{name}"
            containers = [f"{stack}-node-exporter"]
            units = [f"{stack}-state"]
            if name == self.names[0]:
                containers += [f"{stack}-{each}" for each in ("prometheus", "alertmanager", "alert-relay")]
                units.append(f"{stack}-gateway-metrics")
            # Prometheus is the first to stop and the last to go on: it sees nobody frozen.
            containers = containers if not frozen else containers[::-1]
            self.deployment.ssh(name, f"docker {'pause' if frozen else 'unpause'} {' '.join(containers)}")
            self.deployment.ssh(name, f"systemctl kill --kill-who=all --signal={number} {' '.join(units)}")

    def tokens_per_second(self) -> float:
        """Of the same requests each time, which are all in the prefix cache after the first time."""
        load = Load(self.outputs, MODEL, clients=8, seconds=300, requests=ROUND_REQUESTS, longest=(75, 200), seed=3)
        began = time.monotonic()
        for client in load.clients:
            client.join(600)
        counted, took = load.end(), time.monotonic() - began
        assert not counted.failed
        assert counted.whole == ROUND_REQUESTS
        return counted.tokens / took

    def compare(self, pairs: int) -> list[tuple[float, float]]:
        """Tokens a second with monitoring and without, a pair after the other, the order turned round each time."""
        self.tokens_per_second()
        found = []
        for number in range(pairs):
            seen: dict[bool, float] = {}
            for frozen in (False, True) if number % 2 == 0 else (True, False):
                if not frozen:
                    seen[frozen] = self.tokens_per_second()
                    continue
                self.freeze(frozen=True)
                try:
                    seen[frozen] = self.tokens_per_second()
                finally:
                    self.freeze(frozen=False)
            found.append((seen[False], seen[True]))
            print(f"{time.strftime('%H:%M:%S')} with {seen[False]:.1f}, without {seen[True]:.1f} tokens/s", flush=True)
        return found


def interval(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """What monitoring costs of tokens a second: 95 %, by Student's t over the pairs' logarithms."""
    changes = [math.log(without / watched) for watched, without in pairs]
    half = STUDENT[len(changes)] * statistics.stdev(changes) / math.sqrt(len(changes))
    return statistics.mean(changes) - half, statistics.mean(changes) + half


def told(pairs: list[tuple[float, float]]) -> str:
    """Medians and the interval."""
    low, high = interval(pairs)
    return (
        f"median {statistics.median(one for one, _ in pairs):.1f} tokens/s with monitoring, "
        f"{statistics.median(one for _, one in pairs):.1f} without; it costs between {low:.1%} and {high:.1%}"
    )


@pytest.fixture(scope="module")
def cost(tmp_path_factory):
    deployment = make_deployment(tmp_path_factory.mktemp("cost"), "tandemy", "10.95.0.0/24")
    webhook = listen(deployment.subnet)
    try:
        yield Cost(deployment, bring_up(deployment, webhook))
    finally:
        webhook.close()
        deployment.close()


def test_tokens_a_second_with_and_without(cost):
    """What is more than a hundredth for certain fails; the interval says what could be seen."""
    before, began = cost.used(), time.monotonic()
    pairs = cost.compare(PAIRS)
    took, after = time.monotonic() - began, cost.used()
    for machine, programs in after.items():
        for program, now in programs.items():
            seconds = now.seconds - before[machine][program].seconds
            print(f"{machine} {program}: {seconds / took:.3%} of a processor, {now.mib:.0f} MiB")
    print(told(pairs))
    assert interval(pairs)[0] < 0.01
    assert sum(each.mib for each in after[cost.names[0]].values()) < 200
