"""A fault of a deployment that serves: the alert and its time, what the gateway answers, and when it serves again."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.deployment import Deployment
from tests.support.waiting import until
from tests.support.webhook import Receiver

STARTS = "the group is whole, starting the engine"
SERVES = "Application startup complete"
FOUND, RATIO = 120.0, 1.2
"""Seconds until a stall is reported; and how much longer than the engine's own start it takes to serve again."""


@dataclass(frozen=True)
class Answer:
    """What a small request through the gateway had as its answer; code 0 for none within some seconds."""

    time: float
    code: int
    retry_after: str


class Client:
    """Asks for one token through the gateway, again and again, each question a thread: one that hangs holds up none."""

    def __init__(self, out: Mapping[str, Any], model: str, *, every: float = 3.0, patience: float = 8.0) -> None:
        self.out, self.every, self.patience = out, every, patience
        body = {"model": model, "prompt": "one", "max_tokens": 1, "temperature": 0}
        self.body = json.dumps(body).encode()
        self.context = ssl.create_default_context(cadata=out["apiCa"])
        self.answers: list[Answer] = []
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self.ended.wait(self.every):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        request = urllib.request.Request(f"{self.out['apiUrl']}/completions", self.body)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self.out['apiKey']}")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context)
        )
        code, retry = 0, ""
        try:
            with opener.open(request, timeout=self.patience) as answer:
                code = answer.status
        except urllib.error.HTTPError as error:
            code, retry = error.code, error.headers.get("Retry-After", "")
        except OSError:
            pass
        self.answers.append(Answer(time.time(), code, retry))

    def since(self, moment: float) -> list[Answer]:
        return [answer for answer in self.answers if answer.time > moment]

    def served(self, since: float) -> float:
        """When the first one was served after a time; 0 for none yet."""
        return next((answer.time for answer in self.answers if answer.time > since and answer.code == 200), 0.0)

    def end(self) -> None:
        self.ended.set()


def log(deployment: Deployment, name: str = "node-0", part: str = "engine") -> list[tuple[float, str]]:
    """A container's lines, with their times."""
    text = deployment.ssh(name, f"docker logs --timestamps tandem-test-{name}-{part} 2>&1")
    lines = [line.partition(" ") for line in text.splitlines()]
    return [(moment(stamp), said) for stamp, _, said in lines if re.match(r"\d{4}-\d\d-\d\dT", stamp)]


def moment(stamp: str) -> float:
    """Seconds since 1970 of Docker's RFC 3339."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", stamp)).timestamp()


def first(lines: list[tuple[float, str]], pattern: str, since: float) -> tuple[float, str]:
    """The first line after a time in which something is found; (0, "") for none."""
    return next(((at, said) for at, said in lines if at > since and re.search(pattern, said)), (0.0, ""))


def own_start(deployment: Deployment, since: float = 0.0) -> float:
    """Seconds from the engine's start to its API, of the first start after a time."""
    lines = log(deployment)
    begun, _ = first(lines, STARTS, since)
    return first(lines, SERVES, begun)[0] - begun


@dataclass(frozen=True)
class Seen:
    """What came of a fault; times are seconds since it, and 0 for what did not happen.

    Attributes:
        found: the supervisor's own line, or the engine's end.
        alerted: the alert at the webhook.
        summary: its words.
        again: the first completion through the gateway afterwards.
        start: what the engine's start took then, seconds.
        codes: what requests were answered meanwhile.
    """

    name: str
    found: float
    alerted: float
    summary: str
    again: float
    start: float
    codes: dict[int, int]

    @property
    def ratio(self) -> float:
        """From found until served, to the engine's own start."""
        return (self.again - self.found) / self.start if self.start else 0.0

    def __str__(self) -> str:
        load = Path("/proc/loadavg").read_text().split()[0]
        return (
            f"{self.name}: found after {self.found:.0f} s, alert after {self.alerted:.0f} s ({self.summary}), serving "
            f"again {self.again - self.found:.0f} s after found, own start {self.start:.0f} s, ratio {self.ratio:.2f}, "
            f"answers {self.codes}, load {load}"
        )


def happen(
    name: str,
    fault: Callable[[], object],
    *,
    deployment: Deployment,
    webhook: Receiver,
    client: Client,
    alert: str = "EngineStoodStill",
    words: str = "",
    line: str = r"tandem: (no token for|engine exited with|rank \d+ was lost|the supervisor of)",
    where: str = "node-0",
) -> Seen:
    """Lets a fault happen to a deployment that serves, and waits until it serves again.

    Args:
        name: of the fault.
        fault: makes it.
        deployment: the deployment.
        webhook: hears of it.
        client: asks meanwhile.
        alert: that is waited for.
        words: a regular expression that is found in its summary.
        line: a regular expression of the line in the engine's log by which it is found.
        where: the machine of that log.
    """
    until(lambda: client.served(time.time() - 10), 120, lambda: f"{name}: it does not serve before")
    began = time.time()
    fault()

    def heard() -> tuple[float, str] | None:
        every = [(at, str(one["annotations"]["summary"])) for at, one in webhook.fired(alert, began)]
        return next(((at, said) for at, said in every if re.search(words, said)), None)

    def seen() -> str:
        heard = [(round(at - began), one["annotations"]["summary"]) for at, one in webhook.alerts if at > began]
        return f"{name}: {heard}"

    alerted, summary = until(heard, 300, seen)
    found = first(log(deployment, where), line, began)[0]
    assert found, f"{name}: no line of the supervisor names it"
    # What the engine had answered as it was found is none of it; the alert may come later than the next answer.
    again = until(lambda: client.served(found + 1), 1200, seen, pause=1)
    lines = log(deployment)
    begun = first(lines, STARTS, found)[0]
    start = first(lines, SERVES, begun)[0] - begun
    meanwhile = [answer for answer in client.since(began) if answer.time < again]
    codes = {code: sum(one.code == code for one in meanwhile) for code in sorted({one.code for one in meanwhile})}
    result = Seen(name, found - began, alerted - began, summary, again - began, start, codes)
    print(result, flush=True)
    refused = [one for one in meanwhile if one.code == 503]
    assert refused, codes
    assert all(one.retry_after for one in refused)
    # An engine that ends by itself answers what it holds with its own error.
    assert {one.code for one in meanwhile} <= {0, 200, 502, 503, *([500] if alert == "EngineEnded" else [])}, codes
    return result
