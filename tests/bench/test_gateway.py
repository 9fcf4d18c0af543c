"""What the gateway costs, TLS included: the same clients at the engine's own port and at the gateway's, in one run.

The engine is a stand-in that gives tokens at a pace and spends next to nothing on them, which is hard on a ratio.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import KEY, PAIR, Gateway
from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

PACE = 0.05
"""Seconds between two tokens: 20 a second."""


@dataclass(frozen=True)
class Pair:
    """The engine's own port, and the gateway before it."""

    engine: int
    gateway: Gateway

    def load(self, *, direct: bool, **options: Any) -> dict[str, Any]:
        place = {"port": self.engine, "authority": ""}
        if not direct:
            place = {"port": self.gateway.port, "authority": PAIR.authority}
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.gateway_load"],
            input=json.dumps({**place, "key": KEY, **options}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @property
    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    port = free_port()
    engine = subprocess.Popen([sys.executable, "-m", "tests.support.engine", str(port)], cwd=ROOT)
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), port)
    until(lambda: gateway.listens(port))
    yield Pair(port, gateway)
    gateway.close()
    engine.terminate()
    engine.wait(10)


def percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


@pytest.mark.parametrize(("streams", "least"), [(128, 0.99), (400, 0.95)])
def test_streams_of_20_tokens_a_second(pair: Pair, streams: int, least: float) -> None:
    """Ten streams one after the other on each connection: a p99 of 128 values would be one value."""
    wanted = {"streams": streams, "rounds": 10, "tokens": 20, "pace": PACE}
    direct, through = (pair.load(direct=d, **wanted) for d in (True, False))
    ratio = through["rate"] / direct["rate"]
    more = [1000 * (percentile(through["first"], p) - percentile(direct["first"], p)) for p in (0.5, 0.99)]
    print(
        f"\n{streams} streams: {direct['rate']:.2f} tokens/s direct, {through['rate']:.2f} through, ratio {ratio:.3f}; "
        f"first token + {more[0]:.2f} ms at the median, + {more[1]:.2f} ms at p99 "
        f"(direct {1000 * percentile(direct['first'], 0.5):.2f} and {1000 * percentile(direct['first'], 0.99):.2f})"
    )
    assert ratio >= least
    if streams == 128:
        assert more[0] <= 1
        assert more[1] <= 3


def test_short_requests(pair: Pair) -> None:
    wanted = {"clients": 16, "requests": 8000}
    direct, through = (pair.load(direct=d, **wanted)["per_second"] for d in (True, False))
    print(f"\nshort requests: {direct:.0f}/s direct, {through:.0f}/s through, ratio {through / direct:.2f}")
    assert through / direct >= 0.6


def test_10000_requests_by_500_clients_lose_none_and_memory_stays(pair: Pair) -> None:
    wanted = {"clients": 500, "requests": 10_000}
    assert pair.load(direct=False, **wanted)["good"] == 10_000
    before = pair.memory_mib
    for _ in range(3):
        assert pair.load(direct=False, **wanted)["good"] == 10_000
    print(f"\n4 x 10,000 requests by 500 clients: none lost; memory {before:.0f} MiB, then {pair.memory_mib:.0f} MiB")
    assert pair.memory_mib < before * 1.3
