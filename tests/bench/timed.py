"""A timed `pulumi up`, and what its state says."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.idle import second_up
from tests.support.deployment import Deployment


def timed_up(deployment: Deployment, **changes: Any) -> tuple[float, list[tuple[float, dict[str, Any]]]]:
    """`pulumi up` with some settings changed: seconds, and the engine's events, each with the second it was written.

    The log's own times are whole seconds, so the log is a pipe and each line is stamped as it comes.
    """
    pipe = deployment.folder / "events"
    os.mkfifo(pipe)
    events: list[tuple[float, dict[str, Any]]] = []
    began = time.monotonic()

    def read() -> None:
        with pipe.open() as lines:
            events.extend((time.monotonic() - began, json.loads(line)) for line in lines)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    deployment.environment["PULUMI_DEBUG_COMMANDS"] = "true"
    deployment.write(deployment.changed_config(**changes))
    words = ["up", "--yes", "--skip-preview", "--stack", "test", "--config-file", str(deployment.config_file)]
    try:
        deployment.pulumi(*words, "--event-log", str(pipe)).good()
        seconds = time.monotonic() - began
    finally:
        # Nobody may have opened the pipe: a writer that closes at once lets the reader end.
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
        reader.join(10)
        pipe.unlink()
    return seconds, events


def state(deployment: Deployment) -> list[dict[str, Any]]:
    """The stack's resources as its export has them."""
    exported = deployment.pulumi("stack", "export", "--stack", "test").good().text
    resources: list[dict[str, Any]] = json.loads(exported[exported.index("{") :])["deployment"]["resources"]
    return resources


def nothing_changed(deployment: Deployment, taken: Sequence[float]) -> float:
    """Prints and returns P2: the median of `taken` against a program whose resources, as many, do nothing."""
    resources = state(deployment)
    custom = sum(bool(resource.get("custom")) for resource in resources)
    empty = second_up(deployment.folder / "empty", custom, len(resources) - custom)
    median = statistics.median(taken)
    print(f"P2 up with nothing changed {median:.1f} s; {len(resources)} resources that do nothing {empty:.1f} s")
    print(f"P2 ratio {median / empty:.2f} (goal 2.00)")
    return median / empty
