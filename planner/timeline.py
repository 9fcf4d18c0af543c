"""From nothing to the first completion: what happens when, the critical path, and the GPU minutes that are paid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from planner.cluster import Cluster
from planner.device import PROCESSOR
from planner.storage import storage_bandwidth

MB = 1e6


@dataclass(frozen=True)
class Step:
    """One step: seconds from the start of `pulumi up` to its start, and how long it takes; `paid`: GPUs are running."""

    name: str
    start: float
    seconds: float
    paid: bool

    @property
    def end(self) -> float:
        """Seconds from the start to its end."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Timeline:
    """Steps in the order they start."""

    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """To the first completion."""
        return max(step.end for step in self.steps)

    @property
    def gpu_minutes(self) -> float:
        """Minutes each GPU machine is paid for before the first completion."""
        paid = [step for step in self.steps if step.paid]
        return (max(s.end for s in paid) - min(s.start for s in paid)) / 60 if paid else 0.0

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The steps that nothing else hides: each ends when the next one begins, from the last one back."""
        path = [max(self.steps, key=lambda s: s.end)]
        while path[0].start > 0:
            before = [s for s in self.steps if abs(s.end - path[0].start) < 1e-6 and s.seconds > 0]
            if not before:
                break
            path.insert(0, before[0])
        return tuple(step.name for step in path)


@cache
def times() -> dict[str, dict[str, Any]]:
    """Every duration with its source."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).with_name("data") / "times.yaml").read_text())
    return loaded


def timeline(
    cluster: Cluster, weights_bytes: float, *, storage_class: str = "performance",
    download_bytes_per_second: float | None = None, eager: bool = False, weights_ready: bool = False,
    machines_ready: bool = False,
) -> Timeline:  # fmt: skip
    """What takes how long.

    GPU machines are created when the weights are verified: nothing paid by the GPU hour waits for a download.

    Args:
        cluster: the GPU machines.
        weights_bytes: of the download.
        storage_class: NAS class, see data/nas.yaml.
        download_bytes_per_second: of the source; seed 003's 100 Mbit/s when not given.
        eager: the engine captures no graphs.
        weights_ready: the weights are on the storage already.
        machines_ready: machines that exist, with driver and Docker.

    Raises:
        Refusal: `unknown_storage_class`.
    """
    plan = _Builder()
    bandwidth = storage_bandwidth(storage_class, weights_bytes)
    source = download_bytes_per_second or times()["download_mb_per_second"]["value"] * MB
    ready = 0.0
    if not machines_ready:
        ready = plan.add("network", 0.0, _seconds("network"))
        ready = plan.add("storage", ready, _seconds("storage"))
    if not weights_ready:
        if not machines_ready:
            ready = plan.add("fetcher machine", ready, _seconds("machine"))
        ready = plan.add("download", ready, weights_bytes / min(source, bandwidth))
    if not machines_ready:
        ready = plan.add("GPU machines", ready, _seconds("machine"), paid=True)
        ready = plan.add("driver", ready, _seconds("driver") + _seconds("reboot"), paid=True)
        ready = plan.add("docker", ready, _seconds("docker"), paid=True)
        image = times()["image_gib"]["value"] * 2**30 / (times()["image_mb_per_second"]["value"] * MB)
        ready = plan.add("image", ready, image, paid=True)
    kind = "cpu_" if cluster.device.name == PROCESSOR else ""
    ready = plan.add("cluster", ready, _seconds(f"{kind}cluster"), paid=True)
    ready = plan.add("engine", ready, _seconds(f"{kind}engine"), paid=True)
    # Every machine reads the whole model: the storage is shared, each machine's network is its own.
    ready = plan.add("load", ready, weights_bytes / min(bandwidth / cluster.machines, cluster.network), paid=True)
    if not eager:
        ready = plan.add("graphs", ready, _seconds("graphs"), paid=True)
    plan.add("completion", ready, _seconds("completion"), paid=True)
    return Timeline(tuple(plan.steps))


class _Builder:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, name: str, start: float, seconds: float, *, paid: bool = False) -> float:
        """Adds a step and returns its end."""
        self.steps.append(Step(name, start, seconds, paid))
        return start + seconds


def _seconds(name: str) -> float:
    return float(times()[name]["seconds"])
