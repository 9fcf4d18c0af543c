"""Seconds of one engine step, from bytes read, operations and what crosses between accelerators."""

from functools import lru_cache
from typing import NamedTuple

from planner.catalog.device import Device
from planner.cluster import Cluster
from planner.model.shapes import Model
from planner.split import Split
from planner.vllm.arguments import EngineArguments
from planner.vllm.kv_cache import token_bytes
from planner.vllm.weights import stage_weights

LAYER = 40e-6
"""Seconds of a layer in every step beyond what it reads and computes: its small kernels one after another.

What the rows of one stream on an H200 leave (data/throughput.yaml): 36 to 64 microseconds, were memory read at nine
tenths of its bandwidth."""

HOP = 30e-6
"""Seconds of latency of a collective inside a machine: NCCL over a switch or PCIe."""

NETWORK_HOP = 200e-6
"""The same between machines over TCP, as in a VPC; RDMA comes near the other figure."""


class Stage(NamedTuple):
    """One rank of a pipeline stage.

    Attributes:
        dense: bytes of weights that every step reads.
        routed: bytes of routed experts, of which a step reads those that its tokens are sent to.
        cache: bytes of KV cache a token.
        layers: how many.
        sparse: how many of them have routed experts.
    """

    dense: float
    routed: float
    cache: float
    layers: int
    sparse: int


class Roofline(NamedTuple):
    """What engines come near to: a step reads weights and KV cache once and computes, whichever takes longer.

    Attributes:
        stages: one rank of each.
        bandwidth: bytes/s of a device's memory.
        flops: operations a second of the linear layers' type.
        weight_bytes: bytes of one weight of the linear layers.
        experts: how many routed experts a layer has, 0 for a dense model.
        per_token: how many of them a token is sent to.
        ranks: accelerators that share each layer.
        row: bytes of a token between layers.
        link: bytes/s between the ranks of a layer.
        hop: seconds of latency of a collective among them.
        send: seconds of latency from stage to stage.
        data: data parallel ranks, each with streams of its own.
        wide_link: bytes/s between data parallel ranks.
        wide_hop: seconds of latency among them.
    """

    stages: tuple[Stage, ...]
    bandwidth: float
    flops: float
    weight_bytes: float
    experts: int
    per_token: int
    ranks: int
    row: float
    link: float
    hop: float
    send: float
    data: int
    wide_link: float
    wide_hop: float

    def decode(self, streams: int, context: int) -> float:
        """Tokens/s of all streams together, each with `context` tokens in the cache.

        The stages work on different shares of the streams at once, and the slowest decides; no stream is faster than
        through all of them. Data parallel ranks have streams of their own.
        """
        busy = min(streams, self.data)
        each = streams / busy
        share = max(1.0, each / len(self.stages))
        known = {stage: self._step(stage, share, context, busy) for stage in set(self.stages)}
        steps = [known[stage] for stage in self.stages]
        whole = sum(steps) + (len(steps) - 1) * self.send
        return busy * min(share / max(steps), each / whole)

    def prefill(self, streams: int, prompt: int, batch: int) -> float:
        """Prompt tokens/s of so many streams, in steps of up to `batch` tokens a data parallel rank."""
        busy = min(streams, self.data)
        tokens = min(batch, streams * prompt / busy)
        return busy * tokens / max(self._step(stage, tokens, 0, busy) for stage in set(self.stages))

    def requests(self, streams: int, prompt: int, answer: int, batch: int) -> float:
        """Requests finished a second by so many streams that each ask again at once."""
        reading = prompt / self.prefill(streams, prompt, batch)
        return 1 / (reading + answer / self.decode(streams, prompt + answer // 2))

    def _step(self, stage: Stage, tokens: float, context: int, busy: int) -> float:
        """Seconds of a step of so many tokens on each of the busy data parallel ranks."""
        routed = stage.routed * self._touched(tokens * busy)
        read = stage.dense + routed + stage.cache * context * tokens
        share = self.per_token / self.experts if self.experts else 0.0
        # A rank computes its share of the experts for every data parallel rank's tokens.
        weights = tokens * stage.dense + tokens * busy * share * stage.routed
        computed = 2 * weights / self.weight_bytes / self.flops
        return max(read / self.bandwidth, computed) + self._waiting(stage, tokens, busy)

    def _touched(self, tokens: float) -> float:
        """Share of the routed experts that so many tokens are sent to, were they sent evenly."""
        return 1 - (1 - self.per_token / self.experts) ** tokens if self.experts else 0.0

    def _waiting(self, stage: Stage, tokens: float, busy: int) -> float:
        """Seconds for what layers and ranks wait for.

        Two sums a layer over its tensor parallel ranks, each of which sends and receives its share of the others' (a
        ring); and where experts are shared by data parallel ranks, their tokens there and back.
        """
        seconds = LAYER * stage.layers
        if self.ranks > 1:
            crossing = 2 * (self.ranks - 1) / self.ranks * tokens * self.row / self.link
            seconds += 2 * stage.layers * (self.hop + crossing)
        if self.data > 1:
            crossing = (self.data - 1) / self.data * tokens * busy * self.row / self.wide_link
            seconds += 2 * stage.sparse * (self.wide_hop + crossing)
        return seconds


def roofline(model: Model, split: Split, cluster: Cluster, arguments: EngineArguments) -> Roofline:
    """The roofline of a model, split so, on these machines; of the slowest device where they differ."""
    device = cluster.device
    over = cluster.spans(split.tensor, split.pipeline, split.data)
    wide = cluster.machines > 1
    experts = model.experts
    return Roofline(
        stages=_stages(model, split, device, arguments.kv_bytes),
        bandwidth=device.bandwidth,
        flops=device.flops * _faster(model, device),
        weight_bytes=_weight_bytes(model),
        experts=experts.count if experts else 0,
        per_token=experts.per_token if experts else 0,
        ranks=split.tensor,
        row=float(model.hidden * model.dtype_bytes),
        link=cluster.network if over else device.link,
        hop=NETWORK_HOP if over else HOP,
        send=NETWORK_HOP if wide else HOP,
        data=split.data,
        wide_link=cluster.network if wide else device.link,
        wide_hop=NETWORK_HOP if wide else HOP,
    )


@lru_cache(maxsize=1024)
def _stages(model: Model, split: Split, device: Device, kv_bytes: int) -> tuple[Stage, ...]:
    weights = stage_weights(model, split, device=device)
    return tuple(
        Stage(
            float(s.streamed),
            float(s.routed),
            float(cached),
            len(s.layers),
            len(s.layers) - sum(model.dense[s.layers.start : s.layers.stop]) if model.experts else 0,
        )
        for s, cached in zip(weights, token_bytes(model, split, kv_bytes, [s.layers for s in weights]), strict=True)
    )


def _weight_bytes(model: Model) -> float:
    """Bytes of one weight of the linear layers."""
    match model.quantization.method:
        case "none":
            return float(model.dtype_bytes)
        case "awq" | "gptq" | "mxfp4" | "nvfp4" | "gguf":
            return 0.55
        case _:
            return 1.0


def _faster(model: Model, device: Device) -> int:
    """How many times the 16-bit operations a device does in the type that the kernels compute in (its datasheet)."""
    capability = device.capability or 0.0
    match model.quantization.method:
        case "fp8" | "fp8_block" | "fp8_channel" if capability >= 8.9:
            return 2
        case "int8" | "ascend_w8a8" if capability >= 7.5 or device.kind == "ascend":
            return 2
        case "nvfp4" if capability >= 10:
            return 4
        case _:
            return 1
