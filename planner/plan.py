"""One candidate: a request, a cluster and a split become a plan, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from planner.catalog.versions import vllm_version
from planner.cluster import Cluster
from planner.llamacpp.layers import LayerSplit, split_layers
from planner.llamacpp.offload import read_offload
from planner.model.entry import ModelEntry
from planner.parallelism import check_nodes, check_world_size
from planner.refusal import Change, Refusal
from planner.split import Split
from planner.timeline import Start, Timeline, timeline
from planner.vllm.arguments import EngineArguments, resolve_arguments
from planner.vllm.effective_model import as_served
from planner.vllm.memory import Memory, memory
from planner.vllm.rules import check_device, check_split
from planner.vllm.throughput import Throughput, throughput

PROCESSOR_CACHE = 4 * 2**30
"""Bytes of KV cache of vLLM's CPU build unless VLLM_CPU_KVCACHE_SPACE or kv_cache_memory_bytes says otherwise."""

Engine = Literal["vllm", "sglang", "vllm-ascend", "llamacpp", "ollama"]


@dataclass(frozen=True)
class PlanRequest:
    """What a user wants.

    Attributes:
        model: from `planner.model.entry.find_model`.
        clusters: machines to choose from; one entry where they are given.
        engine: serving engine.
        engine_version: vLLM's version; SGLang and vllm-ascend are counted by vLLM's rules.
        arguments: engine arguments by name, such as max_model_len, as text.
        concurrency: requests of the full context that must fit at once.
        tensor_parallel_size: given, or None to choose.
        pipeline_parallel_size: given, or None to choose.
        start: what there is when `pulumi up` begins, and how fast things go.
        whole: every accelerator must be used, as those who start the ranks want it.
        partition: layers of each stage as VLLM_PP_LAYER_PARTITION says; None for the engine's own rule.
    """

    model: ModelEntry
    clusters: tuple[Cluster, ...]
    engine: Engine = "vllm"
    engine_version: str = "0.24.0"
    arguments: dict[str, str] = field(default_factory=dict)
    concurrency: float = 1.0
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    start: Start = field(default_factory=Start)
    partition: tuple[int, ...] | None = None
    whole: bool = False


@dataclass(frozen=True)
class Plan:
    """A deployment that fits.

    Attributes:
        request: what it answers.
        cluster: the machines.
        split: tensor and pipeline parallel sizes.
        arguments: the engine's arguments in effect; None for llama.cpp and Ollama.
        memory: of each stage; None for llama.cpp and Ollama.
        layers: layers of each device; for llama.cpp and Ollama only.
        timeline: to the first completion.
        throughput: upper bounds; None for llama.cpp and Ollama.
        notes: what a reader should know, one sentence each.
    """

    request: PlanRequest
    cluster: Cluster
    split: Split
    arguments: EngineArguments | None
    memory: Memory | None
    layers: LayerSplit | None
    timeline: Timeline
    throughput: Throughput | None
    notes: tuple[str, ...]

    @property
    def price(self) -> float:
        """CNY an hour; 0 for own machines."""
        return self.cluster.price


def attempt(request: PlanRequest, cluster: Cluster, split: Split) -> Plan:
    """One cluster and one split.

    Raises:
        Refusal: it doesn't work.
    """
    entry = request.model
    notes: list[str] = []
    layers, counted, arguments, speed = None, None, None, None
    if request.engine in ("llamacpp", "ollama"):
        offload = read_offload(request.engine, request.arguments, entry.model)
        layers = split_layers(entry, cluster, offload, one_machine=request.engine == "ollama")
        split = Split(1, 1)
        notes += layers.notes
    else:
        counted, arguments = _count(request, cluster, split, notes)
        split = replace(split, expert_parallel=arguments.expert_parallel)
        if counted.max_concurrency < request.concurrency:
            _refuse_concurrency(request, counted)
        context = max(1, counted.max_model_len // 2)
        speed = throughput(
            as_served(entry.model, request.arguments), split, cluster, counted, arguments, context=context
        )
    weights = entry.download_bytes or sum(r.weights for r in counted.ranks) * split.tensor if counted else None
    eager = arguments is None or arguments.enforce_eager
    schedule = timeline(cluster, float(weights or entry.download_bytes or 0), request.start, eager=eager)
    return Plan(request, cluster, split, arguments, counted, layers, schedule, speed, tuple(notes))


def _count(request: PlanRequest, cluster: Cluster, split: Split, notes: list[str]) -> tuple[Memory, EngineArguments]:
    model, device = as_served(request.model.model, request.arguments), cluster.device
    version = vllm_version(request.engine_version)
    if request.engine == "vllm-ascend" and device.kind != "ascend":
        raise Refusal(
            "engine_needs_ascend", "engine", f"vllm-ascend runs on Ascend NPUs, not on {device.name}",
            "use engine vllm", (Change("engine", "vllm"),),
        )  # fmt: skip
    if device.kind == "ascend" and request.engine != "vllm-ascend":
        raise Refusal(
            "engine_not_on_ascend", "engine", f"{request.engine} doesn't run on {device.name}",
            "use engine vllm-ascend", (Change("engine", "vllm-ascend"),),
        )  # fmt: skip
    arguments = resolve_arguments(model, device, version, request.arguments)
    if device.kind == "cpu" and arguments.kv_cache_memory is None:
        arguments = replace(arguments, kv_cache_memory=PROCESSOR_CACHE)
    split = replace(split, expert_parallel=arguments.expert_parallel, partition=request.partition)
    check_world_size(split.tensor, split.pipeline, cluster.accelerators)
    if request.whole and split.world_size < cluster.accelerators:
        raise Refusal(
            "unused_accelerators", "tensor_parallel_size", f"{split.world_size} of {cluster.accelerators} accelerators "
            "would be used", "split the model over all of them",
        )  # fmt: skip
    for kind in dict.fromkeys(cluster.devices or (device,)):
        check_device(model, kind, version)
    check_split(model, split, version)
    # Whether uneven machines can be used at all is the launcher's matter: Ray places ranks where there is room.
    if split.world_size > cluster.per_machine and cluster.even:
        check_nodes(split.tensor, split.pipeline, -(-split.world_size // cluster.per_machine))
    notes += _machine_notes(cluster, split, arguments)
    if model.blind:
        notes.append("the vision tower isn't counted: 1 to 2 GiB more on every stage's GPUs")
    elif model.vision is not None:
        notes.append("of the vision tower weights are counted, not what it needs while it reads images")
    if request.engine == "sglang":
        notes.append("SGLang is counted by vLLM's rules; its own static fraction may leave less for the KV cache")
    multicast = device.switch and split.tensor > 1 and device.kind != "ascend"
    stages = cluster.stage_devices(split.tensor, split.pipeline) if cluster.devices else ()
    return memory(model, split, device, version, arguments, multicast=multicast, stages=stages), arguments


def _machine_notes(cluster: Cluster, split: Split, arguments: EngineArguments) -> list[str]:
    """What a reader should know of the machines."""
    notes, device = [], cluster.device
    if cluster.spans(split.tensor, split.pipeline):
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


def _refuse_concurrency(request: PlanRequest, counted: Memory) -> None:
    length = int(counted.kv_cache_tokens / request.concurrency) // 16 * 16
    works = 16 <= length < counted.max_model_len
    raise Refusal(
        "too_little_concurrency", "concurrency",
        f"{request.concurrency:g} requests of {counted.max_model_len} tokens are wanted at once; the KV cache holds "
        f"{counted.max_concurrency:.2f}",
        f"set max_model_len to {length}" if works else "use more or larger GPUs",
        (Change("max_model_len", length),) if works else (),
    )  # fmt: skip
