"""What the page draws, as numbers: shares of a bar in percent, places on a chart; no HTML."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from planner.llamacpp.estimate import OffloadEstimate
from planner.plan import Plan
from planner.vllm.estimate import ReservedEstimate

GIB = 1 << 30
COLOURS = 6
"""Colours of stages in page.html.j2; more stages begin again."""


class Part(NamedTuple):
    """A part of a bar.

    Attributes:
        name: what holds the memory.
        gib: GiB of it.
        share: of the bar, in percent.
    """

    name: str
    gib: float
    share: float


class Bar(NamedTuple):
    """The memory of one accelerator, or of several that are alike.

    Attributes:
        label: which.
        total: GiB of the accelerator; 0 where it isn't counted.
        parts: from the left.
    """

    label: str
    total: float
    parts: tuple[Part, ...]


class Cell(NamedTuple):
    """One accelerator in its machine.

    Attributes:
        label: such as `TP1 PP0`; empty for one that does nothing.
        colour: 0 to COLOURS - 1, by pipeline stage; None for one that does nothing.
    """

    label: str
    colour: int | None


class Span(NamedTuple):
    """One step of the timeline.

    Attributes:
        name: of the step.
        seconds: that it takes.
        left: where it begins, in percent of the whole.
        width: in percent of the whole.
        critical: nothing hides it.
        paid: machines are paid for meanwhile.
    """

    name: str
    seconds: float
    left: float
    width: float
    critical: bool
    paid: bool


class Choice(NamedTuple):
    """A plan among those that fit.

    Attributes:
        words: machines and split.
        price: CNY an hour.
        concurrency: requests of the full context at once.
        x: its place on the chart, in percent from the left.
        y: in percent from the bottom.
        chosen: the plan that the page is about.
    """

    words: str
    price: float
    concurrency: float
    x: float
    y: float
    chosen: bool


def bars(plan: Plan) -> list[Bar]:
    """Memory, a bar for each pipeline stage or device."""
    estimate = plan.estimate
    if isinstance(estimate, OffloadEstimate):
        return _offloaded(plan, estimate)
    found = []
    for rank in estimate.memory.ranks:
        held = {
            "weights": rank.weights,
            "activations": rank.activations,
            "engine": rank.overhead,
            "CUDA graphs": rank.graphs,
            "KV cache": max(0, rank.kv_cache),
        }
        first, end = rank.layers
        alike = f", each of {estimate.split.tensor}" if estimate.split.tensor > 1 else ""
        alike += f" in {estimate.split.data} data parallel ranks" if estimate.split.data > 1 else ""
        label = f"stage {rank.stage}, layers {first} to {end - 1}{alike}"
        found.append(_bar(label, held, rank.total))
    return found


def _offloaded(plan: Plan, estimate: OffloadEstimate) -> list[Bar]:
    devices = plan.cluster.ranked
    held = zip(estimate.layers, estimate.weights, estimate.cache, strict=True)
    found = []
    for number, (layers, weights, cache) in enumerate(held):
        total = devices[number].total if number < len(devices) else 0
        found.append(_bar(f"device {number}, {layers} layers", {"weights": weights, "KV cache": cache}, total))
    if estimate.host:
        found.append(_bar("the first machine's own memory", {"weights": estimate.host}, plan.cluster.host_memory or 0))
    return found


def _bar(label: str, held: Mapping[str, float], total: float) -> Bar:
    whole = max(total, sum(held.values())) or 1
    held = {**held, "free": whole - sum(held.values())}
    parts = tuple(Part(name, size / GIB, 100 * size / whole) for name, size in held.items() if size > 0)
    return Bar(label, total / GIB, parts)


def topology(plan: Plan) -> list[tuple[str, list[Cell]]]:
    """Machines and their accelerators, in the order of ranks: those of a machine follow each other."""
    estimate, cluster = plan.estimate, plan.cluster
    rank, machines = 0, []
    for number, count in enumerate(cluster.each):
        cells = []
        for _ in range(count):
            cells.append(_cell(estimate, rank))
            rank += 1
        machines.append((f"machine {number}", cells))
    return machines


def _cell(estimate: ReservedEstimate | OffloadEstimate, rank: int) -> Cell:
    if isinstance(estimate, OffloadEstimate):
        used = rank < len(estimate.layers) and estimate.layers[rank]
        return Cell(f"{estimate.layers[rank]} layers", rank % COLOURS) if used else Cell("", None)
    split = estimate.split
    copy, inside = divmod(rank, split.tensor * split.pipeline)
    stage, place = divmod(inside, split.tensor)
    if copy >= split.data:
        return Cell("", None)
    data = f"DP{copy} " if split.data > 1 else ""
    return Cell(f"{data}PP{stage} TP{place}", (copy * split.pipeline + stage) % COLOURS)


def spans(plan: Plan) -> list[Span]:
    """The timeline to the first completion."""
    timeline = plan.timeline
    whole, critical = max(timeline.seconds, 1.0), timeline.critical_path
    return [
        Span(
            step.name,
            step.seconds,
            100 * step.start / whole,
            100 * step.seconds / whole,
            step.name in critical,
            step.paid and plan.price > 0,
        )
        for step in timeline.steps
    ]


def choices(chosen: Plan, others: Sequence[Plan]) -> list[Choice]:
    """Price against concurrency of all that fit, the chosen one among them; empty where these aren't counted."""
    counted = [each for each in others if isinstance(each.estimate, ReservedEstimate) and each.price > 0]
    if len(counted) < 2:
        return []
    concurrency = {id(each): _concurrency(each) for each in counted}
    widest, dearest = max(concurrency.values()), max(each.price for each in counted)
    return [
        Choice(
            f"{each.cluster.words}, {each.estimate.split.words}",
            each.price,
            concurrency[id(each)],
            100 * concurrency[id(each)] / widest,
            100 * each.price / dearest,
            (each.cluster, each.estimate.split) == (chosen.cluster, chosen.estimate.split),
        )
        for each in counted
    ]


def frontier(found: Sequence[Choice]) -> list[Choice]:
    """The chosen one, and those that serve more requests than all that cost no more; cheapest first."""
    best, kept = 0.0, []
    for each in sorted(found, key=lambda c: (c.price, -c.concurrency)):
        if each.chosen or each.concurrency > best:
            kept.append(each)
        best = max(best, each.concurrency)
    return kept


def _concurrency(plan: Plan) -> float:
    return plan.estimate.max_concurrency if isinstance(plan.estimate, ReservedEstimate) else 0.0
