"""What vLLM will report on a device: weights, KV cache, concurrency, for each stage, and what is in between."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.split import Split
from planner.vllm.activation import cublas_workspace, profile
from planner.vllm.arguments import EngineArguments
from planner.vllm.hccl import hccl_memory
from planner.vllm.kv_cache import fitting_length, kv_layout, stage_block_bytes
from planner.vllm.lora import lora_memory
from planner.vllm.speculative import proposer_weights
from planner.vllm.weights import StageWeights, stage_kinds, stage_weights

GIB, MIB = 2**30, 2**20

CONTEXT = 232 * MIB
"""What the CUDA context grows by while the profile runs: kernels loaded, their local memory.

No source says it: it is what the four one-GPU rows of vllm-memory-measured.json leave, 229 to 238 MiB.
llm-d-planner's report for vLLM 0.19 has 0.27 GiB on one GPU."""

CONTEXT_FORWARD = 72 * MIB
"""The same before the last stage, which alone loads the sampler's kernels.

llm-d-planner's report for vLLM 0.19: 0.07 GiB non-torch on the first of two or more stages."""

WHOLE_CONTEXT = 520 * MIB
"""A CUDA context before anything runs, which versions before 0.11 count too (nvidia-smi beside an idle process)."""

COLLECTIVES = 337 * MIB
"""NCCL's buffers that appear after the engine's first look at the device, with a tensor-parallel group over NVLink.

What the two-GPU row of vllm-memory-measured.json leaves; a rank of a ring has the same neighbours in a larger group."""

COLLECTIVES_START = 1833 * MIB - COLLECTIVES
"""The same before the profile, as NCCL starts: counted before vLLM 0.11 alone.

The difference between two GPUs and one in vLLM's pull request 10511 (H100, NCCL 2.21): 3.58 - 1.79 GiB non-torch. Eight
A100 in a log of vLLM 0.7: 2.10 GiB, the context's growth among them."""

COLLECTIVES_WIDE = 92 * MIB
"""More in a group of four and above, where trees have more neighbours than rings.

llm-d-planner's report for vLLM 0.19: 2.17 GiB non-torch at TP4, 2.08 at TP2."""

PROCESS = 496 * MIB
"""An engine's process on a machine without accelerators: 560 MiB a rank, 64 of which were its KV cache
(docs/engine-cpu.md)."""

SWITCHED = 1536 * MIB
"""More where NCCL uses NVLink multicast (NCCL_NVLS_ENABLE not 0, on machines with an NVSwitch).

llm-d-planner's report for vLLM 0.19 on H100: 2.08 GiB non-torch at TP2, against 0.55 without."""

PAIR = 2


class RankMemory(NamedTuple):
    """One rank of a stage, in bytes.

    Attributes:
        stage: index of the pipeline stage.
        layers: first and last layer, the last not included.
        weights: as the engine reports them once loaded.
        activations: peak of the profiling run.
        overhead: CUDA context, cuBLAS and NCCL beyond what the device had before.
        graphs: kept free for CUDA graphs.
        kv_cache: what is left of the engine's share for the KV cache.
        blocks: how many blocks of the whole model's layout that is.
        total: of the device.
    """

    stage: int
    layers: tuple[int, int]
    weights: int
    activations: int
    overhead: int
    graphs: int
    kv_cache: int
    blocks: int
    total: int = 0


class Memory(NamedTuple):
    """The engine as it starts.

    Attributes:
        ranks: one for each stage; the tensor-parallel ranks of a stage are alike.
        requested: bytes of each device that the engine takes for itself.
        max_model_len: in tokens; fitted where `max_model_len=auto`.
        kv_cache_tokens: tokens of the cache as the version's log has them, which was by groups before 0.21.
        max_concurrency: requests of `max_model_len` tokens at once.
    """

    ranks: tuple[RankMemory, ...]
    requested: int
    max_model_len: int
    kv_cache_tokens: int
    max_concurrency: float

    @property
    def capacity_tokens(self) -> int:
        """Tokens of full context that the cache holds."""
        return int(self.max_concurrency * self.max_model_len)

    @property
    def deciding(self) -> RankMemory:
        """The rank with the fewest blocks, which decides for all."""
        return min(self.ranks, key=lambda r: (r.blocks, r.kv_cache))

    def as_dict(self) -> dict[str, object]:
        """As the command line prints it; GiB rounded as the engine's log rounds them."""
        return {
            "weights_gib_per_gpu": round(max(r.weights for r in self.ranks) / GIB, 2),
            "kv_cache_gib_per_gpu": round(self.deciding.kv_cache / GIB, 2),
            "kv_cache_tokens": self.kv_cache_tokens,
            "max_concurrency": round(self.max_concurrency, 2),
            "max_model_len": self.max_model_len,
            "requested_gib_per_gpu": round(self.requested / GIB, 2),
            "ranks": [r._asdict() for r in self.ranks],
        }


def memory(
    model: Model,
    split: Split,
    device: Device,
    version: EngineVersion,
    arguments: EngineArguments,
    *,
    multicast: bool = False,
    stages: Sequence[Device] = (),
) -> Memory:
    """Counts an engine's memory as its own start-up will.

    Args:
        model: the model.
        split: tensor and pipeline parallel sizes; rules of `planner.vllm.rules` hold.
        device: each rank's accelerator.
        version: the engine's version.
        arguments: its arguments in effect.
        multicast: NCCL uses NVLink multicast.
        stages: each stage's accelerator, where they differ.

    Raises:
        Refusal: `weights_too_large`, `no_kv_memory` or `context_does_not_fit`.
    """
    return _memory(model, split, device, version, arguments, multicast, tuple(stages))


@lru_cache(maxsize=1024)
def _memory(  # noqa: PLR0917  # what it is cached by
    model: Model,
    split: Split,
    device: Device,
    version: EngineVersion,
    arguments: EngineArguments,
    multicast: bool,
    stages: tuple[Device, ...],
) -> Memory:
    model = model if arguments.towers else model._replace(vision=None)
    layout = kv_layout(model, split, arguments)
    _check_aligned(model, version, arguments, layout.block_size)
    ranks: list[RankMemory] = []
    alike: dict[object, RankMemory] = {}
    devices = stages or (device,) * split.pipeline
    kinds = set(stages) or {device}
    weights = {own.name: stage_weights(model, split, version=version, device=own) for own in kinds}
    stages_of = stage_kinds(model, split.pipeline, split.partition)
    block_bytes = stage_block_bytes(model, split, arguments)
    for stage, (own, (span, like), block) in enumerate(zip(devices, stages_of, block_bytes, strict=True)):
        held = weights[own.name][stage]
        key = (own.name, held.resident, block, like)
        if key not in alike:
            alike[key] = _Engine(model, split, own, version, arguments, multicast).rank(stage, held, block)
        ranks.append(RankMemory(stage, (span.start, span.stop), *alike[key][2:]))
    different = [*alike.values()]
    _check_room(different, arguments)
    blocks = min(r.blocks for r in different)
    whole = min(r.kv_cache for r in different) if version.whole_demand and split.pipeline > 1 else None
    if arguments.fit_model_len:
        length = fitting_length(model, split, arguments, blocks, whole)
        arguments = arguments._replace(max_model_len=length)
        layout = kv_layout(model, split, arguments) if length else layout
    if not layout.fits(blocks, whole):
        _refuse_context(arguments, fitting_length(model, split, arguments, blocks, whole))
    _check_states(model, version, arguments, blocks)
    concurrency = blocks / layout.request_blocks
    length = arguments.max_model_len
    requested = min(ceil(rank.total * arguments.utilization) for rank in different)
    by_groups = blocks // len(layout.groups) * layout.block_size
    logged = int(concurrency * length) if version.logs_capacity else by_groups
    return Memory(tuple(ranks), requested, length, logged, concurrency)


class _Engine(NamedTuple):
    model: Model
    split: Split
    device: Device
    version: EngineVersion
    arguments: EngineArguments
    multicast: bool

    def rank(self, stage: int, held: StageWeights, block: int) -> RankMemory:
        """One rank of a stage; `block`: bytes of a KV block there."""
        arguments, version = self.arguments, self.version
        # Layers are left on the host until so many bytes are there (model_executor/offloader/uva.py); the embedding
        # and the head stay.
        resident = held.resident - min(arguments.cpu_offload, held.in_layers) + deepstack_buffers(self.model, arguments)
        resident += self._additions(held.layers)
        requested = ceil(self.device.total * arguments.utilization)
        run = profile(self.model, self.split, held.layers, arguments, version=version, device=self.device)
        last = held.layers.stop == self.model.layers
        overhead = (CONTEXT if last else CONTEXT_FORWARD) + (WHOLE_CONTEXT if version.whole_context else 0)
        if self.device.kind == "cpu":
            overhead = PROCESS
        elif self.split.tensor > 1 or (self.split.data > 1 and self.model.experts is not None):
            # Data parallel ranks gather experts' tokens in a group of their own; those of dense models have none.
            overhead += self._collectives()
            overhead += fused_reduce_memory(self.model, self.split, self.device, version, arguments)
        graphs = graph_memory(self.model, self.split, held.layers, arguments, version=version, device=self.device)
        left = requested - resident - run.peak - overhead - graphs
        if arguments.kv_cache_memory is not None:
            left = arguments.kv_cache_memory
        blocks = max(0, left // block)
        if arguments.blocks_override is not None:
            blocks = arguments.blocks_override
            left = blocks * block
        layers = (held.layers.start, held.layers.stop)
        return RankMemory(stage, layers, resident, run.peak, overhead, graphs, left, blocks, self.device.total)

    def _additions(self, layers: range) -> int:
        """Bytes of adapters' slots, and of a proposer on the last stage."""
        speculative, lora = self.arguments.speculative, self.arguments.lora
        slots = 0 if lora is None else lora_memory(self.model, self.split, layers, lora)
        last = speculative is not None and layers.stop == self.model.layers
        return slots + (proposer_weights(self.model, speculative, self.split) if speculative and last else 0)

    def _collectives(self) -> int:
        """Bytes of NCCL's buffers, or HCCL's, on the device.

        Over PCIe they lie in the machine's memory (NCCL's transport/shm.cc): vLLM's pull request 14447 has 0.20 GiB
        non-torch in all on 16 RTX 3090, counted from before NCCL starts.
        """
        if self.device.kind == "ascend":
            return hccl_memory(self.split, experts=self.model.experts is not None)
        if self.device.pcie:
            return 0
        total = COLLECTIVES + (COLLECTIVES_WIDE if max(self.split.tensor, self.split.data) > PAIR else 0)
        total += SWITCHED if self.multicast else 0
        return total + (COLLECTIVES_START if self.version.nccl_counted else 0)


def deepstack_buffers(model: Model, arguments: EngineArguments) -> int:
    """Bytes that Qwen3-VL makes beside its weights: a batch of hidden states a level (qwen3_vl.py:1156, 0.11.0)."""
    levels = model.vision.deepstack if model.vision is not None else 0
    return levels * arguments.max_num_batched_tokens * model.hidden * model.dtype_bytes


GRAPH = MIB
"""Bytes of a graph after the first of its kind: what the engine counts at least (profile_cudagraph_memory,
"at least 1 MiB per graph"); the pool has room for smaller batches."""

FIRST, FIRST_NODE = 81 * MIB, 6 * MIB
"""Bytes of the first captures, and of a captured layer in them: kernels loaded and the layers' own graphs. What
buffers and later graphs leave of two measured estimates, 0.61 GiB with 48 layers and 0.51 GiB with 28."""


GATHERED = 195 << 10
"""Bytes that a captured graph keeps of each of NCCL's operations in it.

No source says it: it is what the estimates of two models with spread experts leave, 183 KiB with 48 layers and 222 with
12, counted in steps of 2 MiB a graph (docs/gpu-hosts.md). A layer has two, AgRsAll2AllManager's gather and its
reduce-scatter."""


def graph_memory(
    model: Model, split: Split, layers: range, arguments: EngineArguments, *, version: EngineVersion, device: Device
) -> int:
    """Bytes that the engine keeps free for CUDA graphs (profile_cudagraph_memory).

    It captures the two largest batches piece by piece and whole. The first capture, whose buffers the pool and the
    warm-up before it each take, counts once for both ways; the second stands for every other graph. Sums of a
    tensor-parallel group inside a machine are vLLM's own kernels and not counted; over machines they are NCCL's and
    keep as much (1.40 instead of 0.36 GiB estimated with 28 layers on two H200), which a split alone doesn't tell.
    """
    if not arguments.graph_sizes or not version.estimates_graphs(
        model.architecture, quantized=model.quantized, dense=model.plain
    ):
        return 0
    width = model.intermediate
    if model.experts is not None:
        width = model.experts.intermediate * model.experts.per_token + model.experts.shared_intermediate
    buffers = max(arguments.graph_sizes) * model.dtype_bytes * (3 * width // split.tensor + 4 * model.hidden)
    pieces = len(arguments.graph_sizes) - 1
    whole = max(0, len([size for size in arguments.graph_sizes if size <= arguments.max_num_seqs]) - 1)
    first = FIRST + FIRST_NODE * len(layers)
    gathered = 0
    if split.data > 1 and model.experts is not None:
        gathered = 2 * sum(not model.dense[layer] for layer in layers) * GATHERED
    return 2 * buffers + cublas_workspace(device) + first + (pieces + whole) * max(GRAPH, gathered)


FUSED_REDUCE: dict[float, dict[int, float]] = {
    9.0: {2: 64, 4: 2, 8: 0.5},
    10.0: {2: 64, 4: 32, 8: 1},
    10.3: {2: 64, 4: 64, 8: 2},
}
"""MiB of the largest batch that compute capability and tensor-parallel size sum together with the norm, compiled
(FI_ALLREDUCE_FUSION_MAX_SIZE_MB in vllm/compilation/passes/fusion/allreduce_rms_fusion.py, 0.24.0)."""


def fused_reduce_memory(
    model: Model, split: Split, device: Device, version: EngineVersion, arguments: EngineArguments
) -> int:
    """Bytes of FlashInfer's buffers for sums fused with norms, made while a tensor-parallel model compiles.

    A buffer for every rank's batch and three more to receive into (flashinfer 0.6.12, comm/trtllm_ar.py,
    trtllm_create_ipc_workspace_for_all_reduce_fusion).
    """
    largest = FUSED_REDUCE.get(device.capability or 0.0, {}).get(split.tensor)
    staged = split.pipeline > 1 and not version.fused_stages
    if largest is None or arguments.enforce_eager or staged or not version.fused_reduce:
        return 0
    row = model.hidden * model.dtype_bytes
    return 4 * split.tensor * row * min(int(largest * MIB) // row, arguments.max_num_batched_tokens)


def _check_room(ranks: list[RankMemory], arguments: EngineArguments) -> None:
    heaviest = max(ranks, key=lambda r: r.weights - r.total)
    if heaviest.weights > heaviest.total:
        which = f"each GPU of stage {heaviest.stage}" if len({r.total for r in ranks}) > 1 else "each GPU"
        raise Refusal(
            "weights_too_large",
            "tensor_parallel_size",
            f"{which} would hold {heaviest.weights / GIB:.1f} GiB of weights and has {heaviest.total / GIB:.1f} GiB",
            f"split over {ceil(heaviest.weights / heaviest.total / 0.8)} times as many GPUs, or use a smaller "
            "quantization",
        )
    if arguments.kv_cache_memory is not None or arguments.blocks_override is not None:
        return
    poorest = min(ranks, key=lambda r: r.kv_cache)
    if poorest.kv_cache <= 0:
        requested = ceil(poorest.total * arguments.utilization)
        needed = requested - poorest.kv_cache
        share = ceil(needed / poorest.total * 100 + 1) / 100
        enough = share <= 0.97
        larger = "use more or larger GPUs, smaller batches, or a smaller quantization"
        raise Refusal(
            "no_kv_memory",
            "gpu_memory_utilization",
            f"weights {poorest.weights / GIB:.1f} GiB, activations {poorest.activations / GIB:.1f} GiB and overhead "
            f"{(poorest.overhead + poorest.graphs) / GIB:.1f} GiB leave nothing of {requested / GIB:.1f} GiB for the "
            "KV cache",
            "" if enough else larger,
            [Change("gpu_memory_utilization", share)] if enough else (),
        )


def _check_aligned(model: Model, version: EngineVersion, arguments: EngineArguments, block: int) -> None:
    """Prefixes that end with a block have their states kept, for which a step must reach a block's end."""
    caches = model.linear is not None and arguments.state_blocks > 1
    if caches and version.aligned_batches and arguments.max_num_batched_tokens < block:
        raise Refusal(
            "batch_below_block",
            "max_num_batched_tokens",
            f"is {arguments.max_num_batched_tokens}, below the {block} tokens of a block that linear-attention states "
            f"fill, which vLLM {version.version} needs for prefix caching",
            changes=[Change("max_num_batched_tokens", block)],
        )


def _check_states(model: Model, version: EngineVersion, arguments: EngineArguments, blocks: int) -> None:
    """A whole decode step is captured, in which each request has a block of states (resolve_cudagraph_mode)."""
    if not (version.checks_state_blocks and arguments.graph_sizes and model.linear is not None):
        return
    if arguments.max_num_seqs > blocks > 0:
        raise Refusal(
            "too_few_state_blocks",
            "max_num_seqs",
            f"is {arguments.max_num_seqs}, and the KV cache has {blocks} blocks, of which each request needs one for "
            "its states while CUDA graphs are captured",
            changes=[Change("max_num_seqs", blocks)],
        )


def _refuse_context(arguments: EngineArguments, length: int) -> None:
    raise Refusal(
        "context_does_not_fit",
        "max_model_len",
        f"one request of {arguments.max_model_len} tokens needs more KV cache than is left",
        "" if length else "use more or larger GPUs",
        [Change("max_model_len", length)] if length else (),
    )
