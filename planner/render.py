"""A plan as a table that a person reads: memory bars, the split by layer, the timeline, the price."""

from __future__ import annotations

from planner.plan import Plan
from planner.vllm.memory import GIB, RankMemory

BAR = 40
"""Characters of a memory bar."""


def render(plan: Plan) -> str:
    """The whole plan, ready to print."""
    request, cluster = plan.request, plan.cluster
    price = f"CNY {_money(plan.price)} an hour ({cluster.priced})" if plan.price else "own machines, no price"
    machines = "machines" if cluster.device.kind == "cpu" else "GPUs"
    paid = f", of which {machines} are paid {plan.timeline.gpu_minutes:.0f} min" if plan.price else ""
    paid += f" ({_money(plan.price * plan.timeline.gpu_minutes / 60)} CNY)" if plan.price else ""
    lines = [
        f"{request.model.name} on {cluster.words}, "
        f"{request.engine} {request.engine_version if request.engine == 'vllm' else ''}".rstrip(),
        _split(plan),
        f"  price     {price}",
        *_capacity(plan),
        f"  first     token after {_clock(plan.timeline.seconds)}{paid}",
        "",
        *_memory(plan),
        "",
        *_timeline(plan),
        *(f"  note: {note}" for note in plan.notes),
    ]
    return "\n".join(lines)


def _split(plan: Plan) -> str:
    if plan.layers is not None:
        left = f", {plan.layers.host_layers} on the processor" if plan.layers.host_layers else ""
        return f"  split     {sum(plan.layers.layers)} layers on {len(plan.layers.layers)} devices{left}"
    experts = ", experts spread (EP)" if plan.split.expert_parallel else ""
    return f"  split     TP{plan.split.tensor} x PP{plan.split.pipeline}{experts}"


def _capacity(plan: Plan) -> list[str]:
    if plan.memory is None or plan.throughput is None:
        return []
    m, t = plan.memory, plan.throughput
    return [
        f"  serves    {m.max_concurrency:.1f} requests of {m.max_model_len:,} tokens at once "
        f"({m.kv_cache_tokens:,} tokens of KV cache)",
        f"  at most   {t.decode_one:.0f} tokens/s for one request, {t.decode_all:,.0f} for {t.requests}, "
        f"{t.prefill:,.0f} of prompt (roofline: engines reach 40 to 70 %)",
    ]


def _memory(plan: Plan) -> list[str]:
    if plan.layers is not None:
        found = plan.layers
        return [
            f"  device {i:<3} {layers:>3} layers {weights / GIB:6.1f} GiB + {cache / GIB:.1f} of KV cache"
            for i, (layers, weights, cache) in enumerate(zip(found.layers, found.weights, found.cache, strict=True))
        ]
    if plan.memory is None:
        return []
    processor = plan.cluster.device.kind == "cpu"
    what = "rank" if processor else "GPU"
    sizes = dict.fromkeys(f"{rank.total / GIB:.1f}" for rank in plan.memory.ranks)
    lines = [
        f"  each {what}: {' or '.join(sizes)} GiB   # weights  + activations  o engine  g graphs  = KV cache  . free"
    ]
    for rank in plan.memory.ranks:
        gpus = f"{what} x{plan.split.tensor}"
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
            f"  {marks} {step.name:<16} {_clock(step.start):>8} {_clock(step.seconds):>8}  {' ' * start}{'-' * width}"
        )
    return lines


def _money(amount: float) -> str:
    return f"{amount:.0f}" if amount >= 10 else f"{amount:.2f}"


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f}:{seconds % 3600 / 60:02.0f} h"
