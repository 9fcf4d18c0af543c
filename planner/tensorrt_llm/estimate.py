"""TensorRT-LLM's estimate of one split on one cluster."""

from __future__ import annotations

from planner.catalog.versions import vllm_version
from planner.cluster import Cluster
from planner.model.shapes import Model
from planner.parallelism import check_block_quantization, check_experts, check_nodes, check_world_size
from planner.request import PlanRequest
from planner.split import Split
from planner.tensorrt_llm.arguments import GRAPHS, ServeArguments, serve_arguments
from planner.tensorrt_llm.memory import counted_split, serve_memory
from planner.tensorrt_llm.rules import ARCHITECTURES, check_device
from planner.vllm.arguments import EngineArguments, resolve_arguments
from planner.vllm.effective_model import effective_model
from planner.vllm.estimate import (
    ReservedEstimate,
    check_all_used,
    check_concurrency,
    machine_notes,
    uniform,
    vision_notes,
)
from planner.vllm.rules import check_split
from planner.vllm.throughput import throughput


def tensorrt_estimate(request: PlanRequest, cluster: Cluster, split: Split) -> ReservedEstimate:
    """Counts one split of the request's model on one cluster.

    Raises:
        Refusal: it doesn't work.
    """
    device, version = cluster.device, vllm_version(request.engine_version)
    oldest = min(cluster.devices or (device,), key=lambda each: each.capability or 0.0)
    model = effective_model(request.model.model, {}, oldest, version)
    check_world_size(split.tensor, split.pipeline, cluster.accelerators, data_parallel_size=split.data)
    check_all_used(request, cluster, split)
    for kind in dict.fromkeys(cluster.devices or (device,)):
        check_device(model, kind)
    serve = serve_arguments(model, split, request.arguments)
    counted = counted_split(model, split, serve)
    check_split(model, counted, version)
    _check_experts(model, split, serve)
    if split.world_size > cluster.per_machine and cluster.even:
        check_nodes(split.tensor, split.pipeline, -(-split.world_size // cluster.per_machine))
    arguments = shared_arguments(model, cluster, request.engine_version, serve)
    stages = cluster.stage_devices(split.tensor, split.pipeline) if cluster.devices else ()
    memory = serve_memory(model, counted, device, version, arguments, serve=serve, stages=stages)
    arguments = arguments._replace(enforce_eager=False, graph_sizes=tuple(n for n in GRAPHS if n <= serve.requests))
    speed = throughput(model, counted, cluster, memory, arguments)
    notes = machine_notes(cluster, split, arguments) + _notes(model, serve, memory.max_model_len)
    found = ReservedEstimate(split, tuple(notes), arguments, memory, speed, kv_ranks=counted.data)
    check_concurrency(request, memory, counted.data)
    return found


def _check_experts(model: Model, split: Split, serve: ServeArguments) -> None:
    """Equal numbers of experts on each rank, and whole blocks of those that are cut (Mapping, modules/fused_moe).

    Raises:
        Refusal: `experts_not_divisible` or `block_not_whole`.
    """
    if serve.experts == 1 or model.experts is None:
        return
    check_experts(model.experts.count, serve.experts, even=True)
    if model.quantization.method == "fp8_block":
        parts, block = split.tensor // serve.experts, max(model.quantization.block)
        check_block_quantization(model.experts.intermediate, parts, block, what="moe_intermediate_size", expert=True)


def shared_arguments(model: Model, cluster: Cluster, version: str, serve: ServeArguments) -> EngineArguments:
    """The arguments by vLLM's names, as the step is run by which the KV cache is sized: eager, without pretence."""
    found = resolve_arguments(
        model,
        cluster.device,
        vllm_version(version),
        {
            "max_model_len": str(min(serve.length, model.positions)),
            "max_num_batched_tokens": str(serve.tokens),
            "max_num_seqs": str(min(serve.requests, serve.tokens)),
            "enforce_eager": "true",
            "block_size": str(serve.block),
        },
    )
    return found._replace(
        max_model_len=serve.length,
        kv_bytes=serve.kv_bytes,
        utilization=serve.share,
        expert_parallel=serve.experts > 1,
        pretends_context=False,
    )


def _notes(model: Model, serve: ServeArguments, length: int) -> list[str]:
    """What a reader should know."""
    notes = [
        "memory is counted by TensorRT-LLM's source (1.2), not measured; CUDA context, graphs and NCCL take what they "
        "were measured to in vLLM, and tokens/s are vLLM's"
    ]
    if model.architecture not in ARCHITECTURES:
        notes.append(f"{model.architecture} isn't among the models that are known to run on TensorRT-LLM 1.2")
    if serve.attention_ranks:
        notes.append("attention data parallelism: each rank has KV cache of its own requests")
    if model.linear is not None:
        notes.append(f"states are kept for max_batch_size requests, {serve.requests:,}, whether they come or not")
    if not uniform(model) and model.linear is None:
        notes.append("layers that slide keep every token, unless kv_cache_config has a max_attention_window")
    if length < serve.length:
        notes.append(f"the KV cache holds {length:,} tokens, and longer requests are turned away")
    if serve.length > model.positions:
        notes.append(f"max_seq_len is longer than the {model.positions:,} tokens that the weights were made for")
    return notes + vision_notes(model)
