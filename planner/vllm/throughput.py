"""Tokens a second as ranges: a roofline times the shares of it that engines were measured to reach."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log2
from typing import NamedTuple

from planner.catalog.device import device
from planner.catalog.throughput import Measured, measurements
from planner.catalog.versions import vllm_version
from planner.cluster import Cluster, owned
from planner.model.entry import catalog_model
from planner.model.shapes import Model
from planner.split import Split
from planner.vllm.arguments import EngineArguments, resolve_arguments
from planner.vllm.memory import Memory
from planner.vllm.roofline import Roofline, roofline

STREAMS = (1, 16, 64, 256)
"""Streams of which a plan tells the rate."""

PROMPT, ANSWER = 1024, 128
"""Tokens of a request whose rates are given: the defaults of `vllm bench serve` (random dataset)."""

MARGIN = 0.1
"""Beyond the lowest and the highest measured share, on a GPU that was measured: other models of the same kind."""

MARGIN_ELSEWHERE = 0.3
"""The same on other GPUs, to which the shares are carried over."""


class Span(NamedTuple):
    """A range of tokens/s.

    Attributes:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float


class Rate(NamedTuple):
    """What so many streams are served at, each with PROMPT tokens of prompt and ANSWER of answer.

    Attributes:
        streams: requests at once.
        decode: tokens/s of all answers together.
        prefill: tokens/s of prompts.
    """

    streams: int
    decode: Span
    prefill: Span


class Throughput(NamedTuple):
    """How fast the engine is.

    Attributes:
        roof: what it comes near to.
        most: streams that the KV cache and the engine's batch hold at once, of PROMPT and ANSWER tokens.
        batch: tokens of a step.
        gpu: the accelerator; None for processors, of which nothing was measured.
    """

    roof: Roofline
    most: int
    batch: int
    gpu: str | None

    @property
    def shares(self) -> Shares | None:
        """What engines were measured to reach of the roofline."""
        return None if self.gpu is None else known_shares(self.gpu, moe=self.roof.experts > 0)

    @property
    def rates(self) -> tuple[Rate, ...]:
        """At each of STREAMS, of which those wait for whom the KV cache has no room; empty on processors."""
        shares, context = self.shares, PROMPT + ANSWER // 2
        if shares is None:
            return ()
        return tuple(
            Rate(
                streams,
                shares.decode_span(self.roof, min(streams, self.most), context),
                shares.prefill_span(self.roof, streams, PROMPT, self.batch),
            )
            for streams in STREAMS
        )

    @property
    def decode_one(self) -> float:
        """Tokens/s of a single request by the roofline."""
        return self.roof.decode(1, PROMPT + ANSWER // 2)

    def as_dict(self) -> dict[str, object]:
        """For JSON: the rates, and what they are made from."""
        shares = self.shares
        return {
            "prompt": PROMPT,
            "answer": ANSWER,
            "rates": [rate._asdict() for rate in self.rates],
            "measured": shares and shares.measured,
            "extrapolated": shares and shares.elsewhere,
        }

    def requests(self, streams: int) -> float:
        """Requests of PROMPT and ANSWER tokens a second by the roofline, with so many streams at once or waiting."""
        return self.roof.requests(max(1, min(streams, self.most)), PROMPT, ANSWER, self.batch)


def throughput(model: Model, split: Split, cluster: Cluster, memory: Memory, arguments: EngineArguments) -> Throughput:
    """The rates of a model, split so, on these machines."""
    most = max(1, min(arguments.max_num_seqs, int(memory.capacity_tokens / (PROMPT + ANSWER)))) * split.data
    gpu = None if cluster.device.kind == "cpu" else cluster.device.name
    return Throughput(roofline(model, split, cluster, arguments), most, arguments.max_num_batched_tokens, gpu)


Points = tuple[tuple[int, float, float], ...]
"""Streams, and the lowest and highest share of the roofline at them."""


class Shares(NamedTuple):
    """Shares of the roofline that are reached, margins included.

    Attributes:
        decode: while answers are written.
        prefill: while prompts are read.
        measured: engines and GPUs that they are of.
        elsewhere: whether they are carried over to another GPU.
    """

    decode: Points
    prefill: Points
    measured: str
    elsewhere: bool

    def decode_span(self, roof: Roofline, streams: int, context: int) -> Span:
        """Tokens/s of all answers together."""
        return _span(self.decode, streams, roof.decode(streams, context))

    def prefill_span(self, roof: Roofline, streams: int, prompt: int, batch: int) -> Span:
        """Tokens/s of prompts."""
        return _span(self.prefill, streams, roof.prefill(streams, prompt, batch))


def _span(points: Points, streams: int, bound: float) -> Span:
    """At so many streams: between those measured by their logarithm."""
    before = [each for each in points if each[0] <= streams] or points[:1]
    after = [each for each in points if each[0] >= streams] or points[-1:]
    (a, low, high), (b, next_low, next_high) = before[-1], after[0]
    part = 0.0 if a == b else log2(streams / a) / log2(b / a)
    return Span(bound * (low + part * (next_low - low)), bound * (high + part * (next_high - high)))


@cache
def known_shares(gpu: str, *, moe: bool) -> Shares:
    """Of the same GPU where it was measured at all of STREAMS, else of all that were; of the same kind of model."""
    known = [each for each in measurements() if (catalog_model(each.model).model.experts is not None) == moe]
    own = [each for each in known if device(each.gpu).name == gpu]
    whole = {row.streams for each in own for row in each.rows} >= set(STREAMS)
    return shares_of(own, MARGIN, elsewhere=False) if whole else shares_of(known, MARGIN_ELSEWHERE, elsewhere=True)


def shares_of(measured: Sequence[Measured], margin: float, *, elsewhere: bool) -> Shares:
    """The shares that these reached with prompts of PROMPT tokens.

    Args:
        measured: models on machines.
        margin: beyond the lowest and the highest, a share of them.
        elsewhere: they are carried over to another GPU.
    """
    decode: dict[int, list[float]] = {}
    prefill: dict[int, list[float]] = {}
    for each in measured:
        roof, batch = measured_roof(each)
        for row in (row for row in each.rows if row.prompt == PROMPT):
            decode.setdefault(row.streams, []).append(row.decode / roof.decode(row.streams, row.context))
            prefill.setdefault(row.streams, []).append(row.prefill / roof.prefill(row.streams, row.prompt, batch))
    names = ", ".join(dict.fromkeys(f"{each.engine} {each.version} on {each.gpu}" for each in measured))
    return Shares(_widened(decode, margin), _widened(prefill, margin), names, elsewhere)


def _widened(found: dict[int, list[float]], margin: float) -> Points:
    return tuple(
        (streams, min(shares) * (1 - margin), max(shares) * (1 + margin)) for streams, shares in sorted(found.items())
    )


def measured_roof(measured: Measured) -> tuple[Roofline, int]:
    """The roofline of what was measured, and the tokens of its steps."""
    model, cluster = catalog_model(measured.model).model, owned(measured.gpu, measured.tensor_parallel_size, 1)
    arguments = resolve_arguments(model, cluster.device, vllm_version(measured.version), {}, "offline")
    split = Split(measured.tensor_parallel_size)
    return roofline(model, split, cluster, arguments), arguments.max_num_batched_tokens
