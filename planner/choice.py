"""Which of the plans that fit is chosen, and why: the cheapest; of equally cheap ones the one that serves fastest.

Nothing but the request decides, so that the same settings always get the same split.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from planner.cluster import Cluster
from planner.engine import Engine
from planner.plan import Plan
from planner.refusal import Refusal
from planner.request import PlanRequest
from planner.split import Split
from planner.vllm.estimate import ReservedEstimate
from planner.vllm.throughput import ANSWER, PROMPT

STREAMS = 16
"""Requests at once by which splits are compared where nobody says how many are wanted."""

EQUAL = 0.1
"""Share by which speeds may differ and count as equal: a roofline tells no finer. Then the usual shape is chosen,
the one with the most tensor parallelism that stays in a machine."""


def free_splits(request: PlanRequest, cluster: Cluster) -> list[Split]:
    """Every split of all accelerators that keeps a stage, or at least a data parallel rank, inside a machine.

    Data parallel ranks of a model with experts have these spread over all of them, as vLLM's and SGLang's guides do.
    """
    smallest = gcd(*cluster.each)
    sizes = [n for n in range(smallest, 0, -1) if smallest % n == 0]
    found = [Split(tensor, cluster.accelerators // tensor) for tensor in sizes]
    if cluster.machines > 1:
        found.append(Split(cluster.accelerators))
    if request.engine not in (Engine.VLLM, Engine.SGLANG) or request.model.model.recorded is not None:
        return found
    spread = request.model.model.experts is not None
    for data in range(2, cluster.accelerators + 1):
        rest = cluster.accelerators // data
        if cluster.accelerators % data == 0:
            found += [
                Split(tensor, rest // tensor, spread, data=data)
                for tensor in sizes
                if rest % tensor == 0 and (rest <= smallest or tensor == smallest)
            ]
    return found


def ranked(found: Sequence[Plan], streams: int | None = None) -> list[Plan]:
    """The same plans, the one to choose first.

    Args:
        found: plans that fit.
        streams: requests at once that are wanted; None where it isn't said.
    """
    wanted = streams or STREAMS
    groups: dict[tuple[float, int], list[tuple[float, Plan]]] = {}
    for plan in found:
        groups.setdefault(_cost(plan), []).append((speed(plan, wanted), plan))
    order: list[Plan] = []
    for _, rest in sorted(groups.items()):
        while rest:
            least = max(each[0] for each in rest) * (1 - EQUAL)
            best = min((each for each in rest if each[0] >= least), key=lambda each: _shape(each[1]))
            order.append(best[1])
            rest.remove(best)
    return order


def speed(plan: Plan, streams: int) -> float:
    """Requests a second that the hardware allows with so many at once; 0 where it isn't counted."""
    return plan.estimate.throughput.requests(streams) if isinstance(plan.estimate, ReservedEstimate) else 0.0


def reasons(
    chosen: Plan, others: Sequence[Plan], refusals: Sequence[tuple[Split, Refusal]], streams: int | None = None
) -> tuple[str, ...]:
    """Why this split of those that these machines have, one clause each.

    Args:
        chosen: one of `others`.
        others: plans that fit, of the same machines.
        refusals: of the splits that don't work there.
        streams: requests at once that are wanted.
    """
    if not isinstance(chosen.estimate, ReservedEstimate):
        return ()
    wanted = streams or STREAMS
    found = [*_of_shape(chosen)]
    same = [plan for plan in others if plan.cluster == chosen.cluster]
    if len(same) > 1:
        rates = ", ".join(
            f"{plan.estimate.split.short} {_rate(speed(plan, wanted))}" for plan in ranked(same, wanted)[:4]
        )
        found.append(f"at most {rates} requests/s, {wanted} at once ({PROMPT:,} tokens in, {ANSWER} out)")
    for split, refusal in [each for each in refusals if each[0].data == 1][:2]:
        found.append(f"{split.short} doesn't work: {refusal.reason}")
    return tuple(found)


def _cost(plan: Plan) -> tuple[float, int]:
    """The price; of machines that have none, how many there are."""
    return plan.price, 0 if plan.price else plan.cluster.machines


def _rate(value: float) -> str:
    """Two figures."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _shape(plan: Plan) -> tuple[bool, int, int]:
    """The usual one first: tensor parallelism in a machine, and as much of it as there is."""
    split = plan.estimate.split
    spans = plan.cluster.spans(split.tensor, split.pipeline, split.data)
    return spans, split.data, -split.tensor


def _of_shape(chosen: Plan) -> list[str]:
    """What the machines say for it."""
    split, cluster = chosen.estimate.split, chosen.cluster
    if split.world_size == 1:
        return ["one accelerator holds the model, and nothing crosses between several"]
    each, found = min(cluster.each), []
    spans = cluster.spans(split.tensor, split.pipeline, split.data)
    if spans:
        found.append("tensor parallelism spans machines: no split that keeps it inside one works or is as fast")
    elif cluster.machines > 1 and split.tensor > 1:
        network = f"{cluster.network * 8 / 1e9:g} Gbit/s"
        found.append(
            f"tensor parallelism stays inside a machine: its two sums a layer would cross the network of {network}"
        )
    if split.data > 1 and split.expert_parallel:
        found.append("each rank has attention and KV cache of its own requests, and the experts are spread over all")
    elif split.data > 1:
        found.append("copies answer requests of their own and tell each other nothing")
    elif not spans and split.tensor < each and cluster.device.pcie:
        name = cluster.device.name
        found.append(f"stages inside a machine pass less between GPUs than sums do, and {name} has no NVLink")
    return found
