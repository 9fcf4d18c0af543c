"""What SGLang will report: weights, and the tokens that its pool holds.

What is free before weights load, times the static share, less the weights, is the pool (`_profile_available_bytes` in
srt/mem_cache/kv_cache_configurator.py, read in 0.5.23): what activations and graphs take comes out of the rest, and
isn't profiled. A token takes what its layers keep of it (pool_configurator.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.sglang.arguments import PoolArguments, pool_arguments
from planner.split import Split
from planner.vllm.arguments import EngineArguments
from planner.vllm.kv_cache import token_bytes
from planner.vllm.lora import lora_memory
from planner.vllm.memory import (
    COLLECTIVES,
    COLLECTIVES_START,
    COLLECTIVES_WIDE,
    GIB,
    PAIR,
    WHOLE_CONTEXT,
    Memory,
    RankMemory,
)
from planner.vllm.weights import StageWeights, stage_weights

STARTED = {False: 0, True: COLLECTIVES + COLLECTIVES_START}
"""Bytes of NCCL once it has started, over NVLink: 1.96 to 2.01 GB of a rank at TP8 in a log of SGLang's pull request
11716, beside 1.88 GiB here."""


def own_arguments(arguments: EngineArguments, pool: PoolArguments) -> EngineArguments:
    """The shared arguments with SGLang's own values."""
    return arguments._replace(
        utilization=pool.fraction,
        max_num_batched_tokens=pool.chunked_prefill,
        max_num_seqs=pool.running,
        block_size=pool.page,
        graph_sizes=(pool.graph_batch,) if pool.graph_batch else (),
        enforce_eager=not pool.graph_batch,
    )


def pool_memory(
    model: Model,
    split: Split,
    device: Device,
    version: EngineVersion,
    arguments: EngineArguments,
    *,
    given: dict[str, str],
    stages: Sequence[Device] = (),
) -> tuple[Memory, EngineArguments]:
    """Counts SGLang's memory, and its arguments in effect.

    Args:
        model: the model.
        split: the parts.
        device: each rank's accelerator.
        version: whose weights' layout counts; SGLang has vLLM's layers.
        arguments: those that both engines have.
        given: SGLang's own, by name.
        stages: each stage's accelerator, where they differ.

    Raises:
        Refusal: `weights_too_large` or `no_kv_memory`.
    """
    pool = pool_arguments(model, split, min(stages or (device,), key=lambda each: each.total), given)
    ranks, tokens = [], pool.most_tokens
    for stage, own in enumerate(stages or (device,) * split.pipeline):
        held = stage_weights(model, split, version=version, device=own)[stage]
        slots = lora_memory(model, split, held.layers, arguments.lora) if arguments.lora else 0
        rank = _rank(stage, held, own, split, pool, slots=slots)
        (size,) = token_bytes(model, split, arguments.kv_bytes, [held.layers])
        found = max(0, rank.kv_cache) // size // pool.page * pool.page if size else None
        tokens = found if tokens is None else tokens if found is None else min(tokens, found)
        ranks.append(rank._replace(blocks=(found or 0) // pool.page))
    _check(ranks, pool)
    tokens = tokens or 0
    if tokens < pool.page:
        raise Refusal(
            "no_kv_memory",
            "mem_fraction_static",
            "leaves no page of tokens for the KV cache",
            "use more or larger GPUs, or a smaller quantization",
        )
    # A request can't be longer than the pool, with which the engine starts all the same (max_req_len).
    length = min(arguments.max_model_len, tokens)
    requested = min(rank.weights + rank.kv_cache for rank in ranks)
    return Memory(tuple(ranks), requested, length, tokens, tokens / length), own_arguments(arguments, pool)


def _rank(
    stage: int, held: StageWeights, device: Device, split: Split, pool: PoolArguments, *, slots: int
) -> RankMemory:
    """One rank; adapters' slots are made before the pool is measured (init_lora_manager, model_runner.py)."""
    weights, layers = held.resident + slots, held.layers
    many = split.tensor * split.data > 1 and not device.pcie
    overhead = WHOLE_CONTEXT + STARTED[many] + (COLLECTIVES_WIDE if many and split.tensor * split.data > PAIR else 0)
    free = device.total - overhead
    slack = int(free * (1 - pool.fraction))
    graphs = min(slack, 2 * pool.graph_batch * 2**20)
    return RankMemory(
        stage,
        (layers.start, layers.stop),
        weights,
        slack - graphs,
        overhead,
        graphs,
        free - slack - weights,
        0,
        device.total,
    )


def _check(ranks: Sequence[RankMemory], pool: PoolArguments) -> None:
    heaviest = max(ranks, key=lambda rank: rank.weights - rank.total)
    if heaviest.weights > heaviest.total:
        raise Refusal(
            "weights_too_large",
            "tensor_parallel_size",
            f"each GPU would hold {heaviest.weights / GIB:.1f} GiB of weights and has {heaviest.total / GIB:.1f} GiB",
            f"split over {ceil(heaviest.weights / heaviest.total / 0.8)} times as many GPUs, or use a smaller "
            "quantization",
        )
    poorest = min(ranks, key=lambda rank: rank.kv_cache)
    if poorest.kv_cache <= 0:
        free = poorest.total - poorest.overhead
        share = ceil(poorest.weights / free * 100 + 2) / 100
        enough = share <= 0.95
        raise Refusal(
            "no_kv_memory",
            "mem_fraction_static",
            f"is {pool.fraction:.3f}, which weights of {poorest.weights / GIB:.1f} GiB of {free / GIB:.1f} GiB use up",
            "" if enough else "use more or larger GPUs, or a smaller quantization",
            [Change("mem_fraction_static", share)] if enough else (),
        )
