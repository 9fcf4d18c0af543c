"""One candidate: a request, a cluster and a split become a plan, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from planner.cluster import Cluster
from planner.engine import Engine
from planner.llamacpp.estimate import OffloadEstimate, offload_estimate
from planner.request import PlanRequest
from planner.split import Split
from planner.tensorrt_llm.estimate import tensorrt_estimate
from planner.timeline import Timeline, timeline
from planner.vllm.estimate import ReservedEstimate, reserved_estimate


@dataclass(frozen=True)
class Plan:
    """A deployment that fits.

    Attributes:
        request: what it answers.
        cluster: the machines.
        estimate: what the engine holds on them: a reserved share of each device, or whole layers.
        timeline: to the first completion.
        notes: what a reader should know, one sentence each.
        why: what speaks for the split, one clause each, where it was chosen.
    """

    request: PlanRequest
    cluster: Cluster
    estimate: ReservedEstimate | OffloadEstimate
    timeline: Timeline
    notes: tuple[str, ...]
    why: tuple[str, ...] = ()

    @property
    def price(self) -> float:
        """CNY an hour; 0 for own machines."""
        return self.cluster.price


def attempt(request: PlanRequest, cluster: Cluster, split: Split) -> Plan:
    """One cluster and one split.

    Raises:
        Refusal: it doesn't work.
        Unplanned: it can't be counted.
    """
    estimate: ReservedEstimate | OffloadEstimate
    if request.engine.offloads:
        estimate = offload_estimate(request, cluster)
    elif request.engine is Engine.TENSORRT_LLM:
        estimate = tensorrt_estimate(request, cluster, split)
    else:
        estimate = reserved_estimate(request, cluster, split)
    weights = float(request.model.download_bytes or estimate.weights_bytes)
    schedule = timeline(cluster, weights, request.start, eager=not estimate.captures_graphs)
    return Plan(request, cluster, estimate, schedule, estimate.notes)
