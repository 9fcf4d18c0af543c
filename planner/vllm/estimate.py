"""vLLM, SGLang and vllm-ascend: each device reserves a share of its memory, and what weights leave is the KV cache."""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog.device import Device
from planner.catalog.parallelism import check_data_parallel
from planner.catalog.versions import vllm_version
from planner.cluster import Cluster
from planner.engine import Engine
from planner.estimate import Estimate
from planner.model.shapes import Model
from planner.parallelism import (
    check_experts,
    check_nodes,
    check_processor_experts,
    check_world_size,
    place_copies,
)
from planner.refusal import Change, Refusal
from planner.request import PlanRequest
from planner.sglang.arguments import COUNTED as POOL
from planner.sglang.memory import pool_memory
from planner.split import Split
from planner.vllm.arguments import EngineArguments, resolve_arguments
from planner.vllm.effective_model import effective_model
from planner.vllm.memory import Memory, memory
from planner.vllm.rules import check_device, check_split
from planner.vllm.throughput import Throughput, throughput

PROCESSOR_CACHE = 4 * 2**30
"""Bytes of KV cache of vLLM's CPU build unless VLLM_CPU_KVCACHE_SPACE or kv_cache_memory_bytes says otherwise."""


@dataclass(frozen=True)
class ReservedEstimate(Estimate):
    """An engine that reserves a share of each device.

    Attributes:
        arguments: the engine's arguments in effect.
        memory: of each stage.
        throughput: tokens/s.
        kv_ranks: ranks that have a KV cache of their own, behind the one URL.
    """

    arguments: EngineArguments
    memory: Memory
    throughput: Throughput
    kv_ranks: int = 1

    @property
    def weights_bytes(self) -> float:
        """Bytes of weights on all devices together."""
        return float(sum(rank.weights for rank in self.memory.ranks) * self.split.tensor * self.split.data)

    @property
    def captures_graphs(self) -> bool:
        """Whether CUDA graphs are captured as the engine starts."""
        return not self.arguments.enforce_eager

    def summary(self, machines: str) -> str:
        """The split, the machines, and the requests that they serve at once."""
        return (
            f"{self.split.words} on {machines}, {self.max_concurrency:.1f} requests of "
            f"{self.memory.max_model_len:,} tokens at once"
        )

    @property
    def max_concurrency(self) -> float:
        """Requests of the full context at once, on all data parallel ranks together; `memory` is one rank's."""
        return self.memory.max_concurrency * self.kv_ranks


def reserved_estimate(request: PlanRequest, cluster: Cluster, split: Split) -> ReservedEstimate:
    """Counts one split of the request's model on one cluster.

    Raises:
        Refusal: it doesn't work.
    """
    device, version = cluster.device, vllm_version(request.engine_version)
    # Every stage serves the same type: the oldest GPU decides.
    oldest = min(cluster.devices or (device,), key=lambda each: each.capability or 0.0)
    given = dict(request.arguments)
    own = {name: given.pop(name) for name in POOL if name in given} if request.engine is Engine.SGLANG else {}
    model = effective_model(request.model.model, given, oldest, version)
    _check_engine(request.engine, device)
    arguments = resolve_arguments(model, device, version, given)
    if device.kind == "cpu" and arguments.kv_cache_memory is None:
        arguments = arguments._replace(kv_cache_memory=PROCESSOR_CACHE)
    spread = arguments.expert_parallel or split.expert_parallel
    split = split._replace(expert_parallel=spread, partition=request.partition, redundant=arguments.redundant_experts)
    arguments = arguments if spread == arguments.expert_parallel else arguments._replace(expert_parallel=spread)
    check_world_size(split.tensor, split.pipeline, cluster.accelerators, data_parallel_size=split.data)
    check_all_used(request, cluster, split)
    for kind in dict.fromkeys(cluster.devices or (device,)):
        check_device(model, kind, version)
    check_split(model, split, version)
    if device.kind == "cpu" and model.experts is not None and request.engine is Engine.VLLM:
        check_processor_experts(split.pipeline, split.data, expert_parallel=split.expert_parallel)
    # Whether uneven machines can be used at all is the launcher's matter: Ray places ranks where accelerators are free.
    if request.engine is Engine.SGLANG:
        _check_sglang(model, split)
    if split.data > 1:
        over = split.tensor * split.pipeline > cluster.per_machine
        check_data_parallel(version.version, split.data, over_machines=over)
        place_copies(split.tensor, split.pipeline, split.data, cluster.each)
    elif split.world_size > cluster.per_machine and cluster.even:
        check_nodes(split.tensor, split.pipeline, -(-split.world_size // cluster.per_machine))
    multicast = device.switch and split.tensor > 1 and device.kind != "ascend"
    stages = cluster.stage_devices(split.tensor, split.pipeline, split.data) if cluster.devices else ()
    if request.engine is Engine.SGLANG and uniform(model):
        counted, arguments = pool_memory(model, split, device, version, arguments, given=own, stages=stages)
    else:
        counted = memory(model, split, device, version, arguments, multicast=multicast, stages=stages)
    check_concurrency(request, counted, split.data)
    speed = throughput(model, split, cluster, counted, arguments)
    notes = machine_notes(cluster, split, arguments) + _model_notes(model, request.engine) + _feature_notes(arguments)
    if counted.max_model_len < arguments.max_model_len and request.engine is Engine.SGLANG:
        notes.append(f"SGLang's pool holds {counted.max_model_len:,} tokens, and longer requests are turned away")
    if version.nccl_counted and cluster.spans(split.tensor, split.pipeline, split.data):
        notes.append(f"what NCCL takes between machines leaves less for the KV cache in vLLM {version.version}")
    return ReservedEstimate(split, tuple(notes), arguments, counted, speed, kv_ranks=split.data)


def check_all_used(request: PlanRequest, cluster: Cluster, split: Split) -> None:
    """Every accelerator has a rank, where whoever starts them wants it.

    Raises:
        Refusal: `unused_accelerators`.
    """
    if request.whole and split.world_size < cluster.accelerators:
        raise Refusal(
            "unused_accelerators",
            "tensor_parallel_size",
            f"{split.world_size} of {cluster.accelerators} accelerators would be used",
            "split the model over all of them",
        )


def _check_sglang(model: Model, split: Split) -> None:
    """Equal numbers of experts on all ranks (eplb/expert_location.py), and attention ranks for models with experts.

    SGLang's other data parallelism, whole copies, knows one machine and isn't what a stack starts.
    """
    experts = model.experts.count if model.experts is not None else 0
    if split.data > 1 and not experts:
        raise Refusal(
            "no_experts",
            "data_parallel_size",
            f"is {split.data}, which SGLang's attention ranks have for models with "
            "routed experts, and this one is dense",
            changes=[Change("data_parallel_size", 1)],
        )
    if split.expert_parallel:
        check_experts(experts, split.expert_ranks, even=True)


def uniform(model: Model) -> bool:
    """Whether every layer keeps every token: models of which SGLang's pool is counted by its own rules."""
    return set(model.kinds) <= {"full", "none"}


def _check_engine(engine: Engine, device: Device) -> None:
    """Ascend NPUs have an engine of their own."""
    if engine is Engine.VLLM_ASCEND and device.kind != "ascend":
        raise Refusal(
            "engine_needs_ascend",
            "engine",
            f"vllm-ascend runs on Ascend NPUs, not on {device.name}",
            changes=[Change("engine", "vllm")],
        )
    if device.kind == "ascend" and engine is not Engine.VLLM_ASCEND:
        raise Refusal(
            "engine_not_on_ascend",
            "engine",
            f"{engine} doesn't run on {device.name}",
            changes=[Change("engine", "vllm-ascend")],
        )


def vision_notes(model: Model) -> list[str]:
    """What of a vision tower isn't counted."""
    if model.uncounted_vision:
        return ["the vision tower isn't counted: 1 to 2 GiB more on every stage's GPUs"]
    if model.vision is not None and not model.vision.outputs:
        return ["of the vision tower weights are counted, not what it needs while it reads images"]
    return []


def _model_notes(model: Model, engine: Engine) -> list[str]:
    """What isn't counted."""
    notes = vision_notes(model)
    if engine is Engine.SGLANG and not uniform(model):
        notes.append("SGLang's pools for layers that slide or keep states are counted by vLLM's rules")
    return notes


def _feature_notes(arguments: EngineArguments) -> list[str]:
    """Speculative decoding, and the KV cache's part off the GPUs."""
    notes = []
    speculative = arguments.speculative
    if speculative is not None and speculative.unknown:
        notes.append(f"{speculative.unknown[:60]}, which proposes tokens, isn't in the catalog and isn't counted")
    elif speculative is not None and (speculative.draft is not None or speculative.layers):
        notes.append("what proposes tokens is counted on the last stage; how much faster it makes decoding isn't")
    if arguments.kv_offload:
        notes.append(f"{arguments.kv_offload / 2**30:g} GiB of the machines' own memory hold KV cache, too")
    return notes


def machine_notes(cluster: Cluster, split: Split, arguments: EngineArguments) -> list[str]:
    """What a reader should know of the machines."""
    notes, device = [], cluster.device
    if device.kind == "ascend":
        notes.append("memory is counted by vllm-ascend's source (0.22.1rc1), and was compared with no NPU")
    if cluster.spans(split.tensor, split.pipeline, split.data):
        where = "over " + " + ".join(map(str, cluster.each)) if not cluster.even else f"over {cluster.per_machine} each"
        notes.append(
            f"tensor parallelism spans machines ({split.tensor} {where}): "
            "two collectives a layer cross the network, so RDMA is needed for speed"
        )
    if cluster.devices:
        notes.append(
            f"each stage is counted on its own machine's GPU, in the order of the machines; speed is {device.name}'s"
        )
    if arguments.cpu_offload:
        ranks = min(max(cluster.each), split.world_size)
        notes.append(
            f"{arguments.cpu_offload / 2**30:g} GiB of weights a GPU stay in the machine's own memory, up to "
            f"{ranks * arguments.cpu_offload / 2**30:g} GiB a machine, and cross PCIe in every step: "
            "speed isn't counted"
        )
    if device.unified:
        notes.append(
            f"{device.name}'s memory is the machine's own too: the engine starts only where its share of it is "
            "free, and --gpu-memory-utilization=0.8 leaves room for the system"
        )
    return notes


def check_concurrency(request: PlanRequest, counted: Memory, data: int) -> None:
    """As many requests of the full context fit at once as are wanted, on `data` ranks together.

    Raises:
        Refusal: `too_little_concurrency`.
    """
    if counted.max_concurrency * data >= request.concurrency:
        return
    length = int(counted.capacity_tokens * data / request.concurrency) // 16 * 16
    works = 16 <= length < counted.max_model_len
    raise Refusal(
        "too_little_concurrency",
        "concurrency",
        f"the KV cache holds {counted.max_concurrency * data:.2f} requests of {counted.max_model_len} tokens at once, "
        f"and {request.concurrency:g} must fit",
        "" if works else "use more or larger GPUs",
        [Change("max_model_len", length)] if works else (),
    )
