"""Nothing is told and nothing restarted where nothing is wrong: an hour of idle, then an hour of full load.

Two machines, Docker, the real vLLM on processors, Debian's Prometheus and Alertmanager; the webhook is the test's own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.deployment import chat
from tests.support.load import Load
from tests.support.monitored import Look, make_deployment, out, webhook
from tests.support.waiting import until
from tests.support.webhook import Receiver, firing

__all__ = ["out", "webhook"]  # fixtures of that module

IDLE_MINUTES = float(os.environ.get("TANDEM_IDLE_MINUTES", "60"))
LOAD_MINUTES = float(os.environ.get("TANDEM_LOAD_MINUTES", "60"))
pytestmark = [
    pytest.mark.root,
    pytest.mark.engine,
    pytest.mark.long,
    pytest.mark.timeout(2400 + 60 * max(IDLE_MINUTES, LOAD_MINUTES)),
]

MODEL = "tiny-qwen2"
EVERY = 15
"""Seconds between two looks: Prometheus' own."""
ASKED = 240
"""Seconds between two completions while nothing else asks."""
CLIENTS = 10
"""Four run at a time (--max-num-seqs of tests/support/tiny.py), the others wait in the queue."""
WELL = {("node-0", "0", "serving"), ("node-1", "1", "running")}


@dataclass
class Seen:
    """What was seen that is wrong, what was pending, and how full the engine was."""

    wrong: list[str] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)
    running: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)


class Watch:
    """Looks at alerts, restarts, ranks and targets."""

    def __init__(self, webhook: Receiver, look: Look) -> None:
        self.webhook, self.look, self.seen = webhook, look, Seen()
        self.told, self.restarts = len(webhook.alerts), self._restarts()

    def once(self) -> None:
        """One look, which is printed where it differs from the one before."""
        for alert in self.look.query('ALERTS{alertstate=~"pending|firing"}'):
            labels = alert["metric"]
            text = " ".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "__name__")
            if labels["alertstate"] == "firing":
                self._wrong(f"fires: {text}")
            elif text not in self.seen.pending:
                self.seen.pending.add(text)
                self._say(f"pending: {text}")
        if len(self.webhook.alerts) > self.told:
            self.told = len(self.webhook.alerts)
            self._wrong(f"told: {firing(self.webhook)}")
        if (restarts := self._restarts()) != self.restarts:
            self._wrong(f"restarts: {self.restarts} became {restarts}")
            self.restarts = restarts
        if (ranks := self._ranks()) != WELL:
            self._wrong(f"ranks: {sorted(ranks)}")
        if down := self.look.down():
            self._wrong(f"targets: {down}")
        for name, into in (("running", self.seen.running), ("waiting", self.seen.waiting)):
            into += [float(one["value"][1]) for one in self.look.query(f"vllm:num_requests_{name}")]

    def for_(self, minutes: float, every: float = float("inf"), ask: object = None) -> Seen:
        """Looks for so long, and asks the deployment now and then; what was seen."""
        began = asked = time.monotonic()
        while (now := time.monotonic()) < began + 60 * minutes:
            if callable(ask) and now - asked > every:
                asked = now
                if problem := ask():
                    self._wrong(problem)
            self.once()
            time.sleep(max(0.0, EVERY - (time.monotonic() - now)))
        self.once()
        return self.seen

    def _restarts(self) -> dict[str, float]:
        found = self.look.query("tandem_rank_restarts_total")
        return {one["metric"]["machine"]: float(one["value"][1]) for one in found}

    def _ranks(self) -> set[tuple[str, str, str]]:
        found = self.look.query("tandem_rank_state == 1")
        return {(one["metric"]["machine"], one["metric"]["rank"], one["metric"]["state"]) for one in found}

    def _wrong(self, text: str) -> None:
        self.seen.wrong.append(text)
        self._say(text)

    def _say(self, text: str) -> None:
        load = Path("/proc/loadavg").read_text().split()[0]
        print(f"{time.strftime('%H:%M:%S')} load {load}: {text}", flush=True)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = make_deployment(tmp_path_factory.mktemp("alarms"), "tandemz", "10.93.0.0/24")
    yield made
    made.close()


@pytest.fixture(scope="module")
def look(out, tmp_path_factory):
    asks = Look(out, tmp_path_factory.mktemp("ca"))
    until(lambda: not asks.down(), 60, asks.down)
    until(lambda: len(asks.query("tandem_rank_state == 1")) == len(WELL), 60)
    return asks


def test_an_hour_of_idle(out, webhook, look):
    """The first half without any request; in the second one now and then, which finds the engine rested."""
    watch = Watch(webhook, look)
    watch.for_(IDLE_MINUTES / 2)

    def ask() -> str:
        began = time.monotonic()
        reply = chat(out, MODEL)
        print(f"{time.strftime('%H:%M:%S')} a completion: {reply.code} in {time.monotonic() - began:.1f} s", flush=True)
        return "" if reply.code == 200 and reply.said else f"a completion: {reply.code} {reply.body[:300]}"

    seen = watch.for_(IDLE_MINUTES / 2, ASKED, ask)
    assert not seen.wrong
    assert not webhook.alerts


def test_an_hour_of_full_load(out, webhook, look):
    """Four requests run and more wait, of all lengths; some clients go away in the middle."""
    watch = Watch(webhook, look)
    began, seconds = time.monotonic(), 60 * LOAD_MINUTES
    load = Load(
        out, MODEL, clients=CLIENTS, seconds=seconds + 60, requests=200_000, longest=(75, 200), hang_up=12, seed=14
    )
    seen = watch.for_(LOAD_MINUTES)
    counted, took = load.end(), time.monotonic() - began
    slowest = sorted(counted.seconds)
    print(
        f"{counted.whole} requests whole, {counted.hung_up} hung up, {len(counted.failed)} failed; "
        f"{counted.tokens} tokens, {counted.tokens / took:.1f} a second; half of the requests took "
        f"{slowest[len(slowest) // 2]:.1f} s or less, the slowest {slowest[-1]:.1f} s; "
        f"on average {sum(seen.running) / len(seen.running):.1f} ran and "
        f"{sum(seen.waiting) / len(seen.waiting):.1f} waited; pending were: {sorted(seen.pending)}",
        flush=True,
    )
    assert not seen.wrong
    assert not webhook.alerts
    assert not counted.failed
    assert counted.hung_up
    full = [one for one in seen.running if one == 4]
    assert len(full) > 0.8 * len(seen.running), seen.running
