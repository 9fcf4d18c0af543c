"""A plan as a table that a person reads: memory bars, the split by layer, the timeline, the price."""

from __future__ import annotations

from planner.engine import Engine
from planner.llamacpp.estimate import OffloadEstimate
from planner.plan import Plan
from planner.pluralize import pluralize
from planner.vllm.estimate import ReservedEstimate
from planner.vllm.memory import GIB, RankMemory
from planner.vllm.throughput import ANSWER, PROMPT, Span

BAR = 40
"""Characters of a memory bar."""


def render(plan: Plan) -> str:
    """The whole plan, ready to print."""
    request, cluster, estimate = plan.request, plan.cluster, plan.estimate
    processor = cluster.device.kind == "cpu"
    memory = _devices(estimate) if isinstance(estimate, OffloadEstimate) else _ranks(estimate, processor=processor)
    price = f"CNY {money(plan.price)} an hour ({cluster.priced})" if plan.price else "own machines, no price"
    machines = "machines" if processor else "GPUs"
    paid = f", of which {machines} are paid {plan.timeline.gpu_minutes:.0f} min" if plan.price else ""
    paid += f" ({money(plan.price * plan.timeline.gpu_minutes / 60)} CNY)" if plan.price else ""
    lines = [
        f"{request.model.name} on {cluster.words}, "
        f"{request.engine} {request.engine_version if request.engine is Engine.VLLM else ''}".rstrip(),
        _split(estimate),
        *(f"  {'why' if i == 0 else '':<9} {reason}" for i, reason in enumerate(plan.why)),
        f"  price     {price}",
        *_capacity(estimate),
        f"  first     token after {clock(plan.timeline.seconds)}{paid}",
        "",
        *memory,
        "",
        *_timeline(plan),
        *(f"  note: {note}" for note in plan.notes),
    ]
    return "\n".join(lines)


def _split(estimate: ReservedEstimate | OffloadEstimate) -> str:
    if isinstance(estimate, OffloadEstimate):
        return f"  split     {estimate.placement}"
    return f"  split     {estimate.split.words}"


def _capacity(estimate: ReservedEstimate | OffloadEstimate) -> list[str]:
    if isinstance(estimate, OffloadEstimate):
        return []
    m, t = estimate.memory, estimate.throughput
    data = estimate.split.data
    each = f" on each of {data} data parallel ranks" if data > 1 else ""
    serves = (
        f"  serves    {estimate.max_concurrency:.1f} requests of {m.max_model_len:,} tokens at once "
        f"({m.kv_cache_tokens:,} tokens of KV cache{each})"
    )
    rates, shares = t.rates, t.shares
    if shares is None:
        return [serves]
    rest = ", ".join(f"{span(rate.decode)} for {rate.streams}" for rate in rates[1:])
    carried = f", {'carried over from' if shares.elsewhere else 'as measured with'} {shares.measured}"
    return [
        serves,
        f"  speed     {span(rates[0].decode)} tokens/s for one request, {rest}",
        f"  {'':<9} {span(rates[-1].prefill)} of prompt ({PROMPT:,} tokens in, {ANSWER} out){carried}",
    ]


def span(rate: Span) -> str:
    """Both ends of a range, with two figures each."""
    low, high = (f"{_two_figures(value):,}" for value in (rate.low, rate.high))
    return low if low == high else f"{low}-{high}"


def _two_figures(value: float) -> int:
    unit = int(10 ** max(0, len(str(int(value))) - 2))
    return round(value / unit) * unit


def _devices(estimate: OffloadEstimate) -> list[str]:
    """A line a device: its layers, weights and KV cache."""
    held = zip(estimate.layers, estimate.weights, estimate.cache, strict=True)
    return [
        f"  device {i:<3} {pluralize(layers, 'layer'):>10} {weights / GIB:6.1f} GiB + {cache / GIB:.1f} of KV cache"
        for i, (layers, weights, cache) in enumerate(held)
    ]


def _ranks(estimate: ReservedEstimate, *, processor: bool) -> list[str]:
    """A bar a stage: how a device's memory is used."""
    what = "rank" if processor else "GPU"
    sizes = dict.fromkeys(f"{rank.total / GIB:.1f}" for rank in estimate.memory.ranks)
    lines = [
        f"  each {what}: {' or '.join(sizes)} GiB   # weights  + activations  o engine  g graphs  = KV cache  . free"
    ]
    for rank in estimate.memory.ranks:
        gpus = f"{what} x{estimate.split.expert_ranks}"
        layers = f"layers {rank.layers[0]}-{rank.layers[1] - 1}"
        lines.append(f"  stage {rank.stage:<2} {gpus:<7} {layers:<14} [{_bar(rank, rank.total)}]")
        lines.append(
            f"  {'':<31} {rank.weights / GIB:.1f} + {rank.activations / GIB:.1f} + {rank.overhead / GIB:.1f} + "
            f"{rank.graphs / GIB:.1f} + {max(0, rank.kv_cache) / GIB:.1f} GiB"
        )
    return lines


def _bar(rank: RankMemory, total: int) -> str:
    parts = (
        (rank.weights, "#"),
        (rank.activations, "+"),
        (rank.overhead, "o"),
        (rank.graphs, "g"),
        (rank.kv_cache, "="),
    )
    bar, reached = "", 0.0
    for nbytes, mark in parts:
        reached += max(0, nbytes)
        bar += mark * (round(reached / total * BAR) - len(bar))
    return bar[:BAR].ljust(BAR, ".")


def _timeline(plan: Plan) -> list[str]:
    timeline, critical = plan.timeline, plan.timeline.critical_path
    lines = ["  timeline (* on the critical path" + (", $ paid by the hour)" if plan.price else ")")]
    for step in timeline.steps:
        marks = ("*" if step.name in critical else " ") + ("$" if step.paid and plan.price else " ")
        start = round(step.start / max(1.0, timeline.seconds) * BAR)
        width = max(1, round(step.seconds / max(1.0, timeline.seconds) * BAR))
        lines.append(
            f"  {marks} {step.name:<16} {clock(step.start):>8} {clock(step.seconds):>8}  {' ' * start}{'-' * width}"
        )
    return lines


def money(amount: float) -> str:
    """CNY, with two decimals below ten."""
    return f"{amount:.0f}" if amount >= 10 else f"{amount:.2f}"


def clock(seconds: float) -> str:
    """Seconds as a person says them: 85 s, 12 min, 1:40 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f}:{seconds % 3600 / 60:02.0f} h"
