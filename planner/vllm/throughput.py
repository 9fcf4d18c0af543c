"""A roofline of prefill and decode: what the hardware can't exceed. Real engines reach about 40 to 70 % of it."""

from __future__ import annotations

from dataclasses import dataclass

from planner.cluster import Cluster
from planner.model.shapes import Model
from planner.split import Split
from planner.vllm.arguments import EngineArguments
from planner.vllm.kv_cache import token_bytes
from planner.vllm.memory import Memory
from planner.vllm.weights import stage_weights

HOP = 30e-6
"""Seconds of latency of a collective inside a machine: NCCL over a switch or PCIe."""

NETWORK_HOP = 200e-6
"""The same between machines over TCP, as in a VPC; RDMA comes near the other figure."""


@dataclass(frozen=True)
class Throughput:
    """Upper bounds.

    Attributes:
        prefill: prompt tokens/s of the whole engine.
        decode_one: tokens/s of a single request.
        decode_all: tokens/s of all requests together, with as many as the KV cache holds at the mean context.
        requests: how many that is.
    """

    prefill: float
    decode_one: float
    decode_all: float
    requests: int


def throughput(
    model: Model, split: Split, cluster: Cluster, memory: Memory, arguments: EngineArguments, *, context: int
) -> Throughput:
    """The bounds at a mean context.

    A decode step reads every active weight and the requests' KV cache once, stage after stage; prefill costs two
    operations for each active weight and token. Collectives cost latency, two a layer; a stage boundary one send.
    """
    device = cluster.device
    share = min(1.0, model.experts.per_token / model.experts.count) if model.experts else 1.0
    stages = stage_weights(model, split, device=device)
    active = [s.streamed + s.routed * share for s in stages]
    everything = [float(s.streamed + s.routed) for s in stages]
    cache = token_bytes(model, split, arguments, [s.layers for s in stages])
    collective = NETWORK_HOP if cluster.spans(split.tensor, split.pipeline) else HOP
    latency = (2 * model.layers * collective if split.tensor > 1 else 0.0) + (split.pipeline - 1) * NETWORK_HOP
    one = sum((a + c * context) / device.bandwidth for a, c in zip(active, cache, strict=True)) + latency
    requests = max(1, min(arguments.max_num_seqs, int(memory.capacity_tokens / max(1, context))))
    # With many requests every expert is used. The stages work on different shares of the requests at once, each of
    # which reads the weights; the slowest stage decides, and no request is faster than alone.
    share_of = requests / split.pipeline
    step = max((e + c * context * share_of) / device.bandwidth for e, c in zip(everything, cache, strict=True))
    together = min(share_of / (step + latency / split.pipeline), requests / one)
    weights = [a / _weight_bytes(model) for a in active]
    prefill = min(device.flops / (2 * w) for w in weights)
    return Throughput(prefill, 1 / one, max(1 / one, together), requests)


def _weight_bytes(model: Model) -> float:
    """Bytes of one weight of the linear layers."""
    match model.quantization.method:
        case "none":
            return float(model.dtype_bytes)
        case "awq" | "gptq" | "mxfp4" | "nvfp4" | "gguf":
            return 0.55
        case _:
            return 1.0
