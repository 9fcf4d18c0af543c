"""What TensorRT-LLM will report: weights, and the tokens of its KV cache. By its source, not measured.

The engine runs a step of `max_num_tokens` tokens with a small cache, and takes its share of what was free at the peak
(KvCacheCreator.configure_kv_cache_capacity and _cal_max_memory in _torch/pyexecutor/_util.py, read in 1.2): CUDA graphs
are captured and NCCL has started by then. All layers keep every token unless a max_attention_window is given, and so do
those that slide (a log of gpt-oss-120b on 1.1 has 73,728 bytes a token, which are all its 36 layers).
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.caches import layer_caches
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.sglang.memory import STARTED
from planner.split import Split
from planner.tensorrt_llm.arguments import GRAPHS, SHARE, ServeArguments
from planner.vllm.activation import profile
from planner.vllm.arguments import EngineArguments
from planner.vllm.kv_cache import token_bytes
from planner.vllm.memory import (
    COLLECTIVES_WIDE,
    CONTEXT,
    CONTEXT_FORWARD,
    FIRST,
    FIRST_NODE,
    GIB,
    GRAPH,
    PAIR,
    SWITCHED,
    WHOLE_CONTEXT,
    Memory,
    RankMemory,
)
from planner.vllm.weights import StageWeights, stage_weights

EXPERT_TILE = (128, 128)
"""Multiples that MXFP4 experts' widths are padded to (weight_alignment of MXFP4WeightCutlassFusedMoEMethod in
_torch/modules/fused_moe/quantization.py). A log of gpt-oss-120b on 1.1 has 63.5 GiB."""


def counted_split(model: Model, split: Split, serve: ServeArguments) -> Split:
    """The split by which ranks are counted.

    With attention data parallelism every rank has attention of its own, as data parallel ranks have. Dense models
    pass over `ep_size`. The first stages get one layer more where they don't divide (Mapping.pp_layers in
    tensorrt_llm/mapping.py, 1.2).
    """
    tensor, data = (1, split.tensor) if serve.attention_ranks else (split.tensor, 1)
    return Split(
        tensor,
        split.pipeline,
        expert_parallel=serve.experts > 1 and model.experts is not None,
        data=data,
        partition=_partition(model.layers, split.pipeline),
    )


def _partition(layers: int, stages: int) -> tuple[int, ...] | None:
    """Layers of each stage; None for more stages than layers, which the rules of splits refuse."""
    if stages > layers:
        return None
    return tuple(layers // stages + (stage < layers % stages) for stage in range(stages))


def serve_memory(
    model: Model,
    split: Split,
    device: Device,
    version: EngineVersion,
    arguments: EngineArguments,
    *,
    serve: ServeArguments,
    stages: Sequence[Device] = (),
) -> Memory:
    """Counts TensorRT-LLM's memory.

    Args:
        model: the model.
        split: as `counted_split` makes it.
        device: each rank's accelerator.
        version: whose weights' layout counts: the same linear layers, embeddings and experts.
        arguments: those in effect by vLLM's names.
        serve: by TensorRT-LLM's.
        stages: each stage's accelerator, where they differ.

    Raises:
        Refusal: `weights_too_large` or `no_kv_memory`.
    """
    found = []
    for stage, own in enumerate(stages or (device,) * split.pipeline):
        held = stage_weights(model, split, version=version, device=own, expert_tile=EXPERT_TILE)[stage]
        found.append(Rank(model, split, own, version, arguments, serve, held))
    _check([rank for rank in found if rank.left <= rank.temporary], serve)
    tokens = min((rank.tokens for rank in found if rank.token), default=0)
    length = min(serve.length, tokens)
    blocks = tokens // serve.block
    concurrency = blocks / ceil(length / serve.block) if length else 0.0
    ranks = tuple(rank.memory(stage, blocks) for stage, rank in enumerate(found))
    requested = min(rank.weights + rank.kv_cache for rank in ranks)
    return Memory(ranks, requested, length, tokens, concurrency)


class Rank(NamedTuple):
    """One rank of a stage."""

    model: Model
    split: Split
    device: Device
    version: EngineVersion
    arguments: EngineArguments
    serve: ServeArguments
    held: StageWeights

    @property
    def states(self) -> int:
        """Bytes of linear layers' states, made for every request of a step ahead (MambaCacheManager, 1.2)."""
        caches = layer_caches(self.model, self.split.tensor, self.serve.kv_bytes)
        sizes = [each.size for each in caches if each.kind == "linear" and each.layer in self.held.layers]
        return sum(sizes) * self.serve.requests

    @property
    def activations(self) -> int:
        """Peak of the step that is run, and the attention operator's workspace.

        The workspace is a copy of all queries (getWorkspaceSizeForContext in cpp/tensorrt_llm/common/attentionOp.cpp;
        64 MiB of Qwen3-8B in a log of 1.2.0rc2, which 8,192 x 32 x 128 x 2 are). Experts' buffers are those of
        getWorkspaceDeviceBufferSizes (moe_kernels.cu), which are vLLM's, for the tokens of all attention ranks.
        """
        run = profile(
            self.model, self.split, self.held.layers, self.arguments, version=self.version, device=self.device
        )
        grouped = self.model.grouped
        queries = 0 if grouped is None else grouped.heads // self.split.tensor * grouped.head_dim
        return run.forward + run.workspace + self.serve.tokens * queries * self.model.dtype_bytes

    @property
    def overhead(self) -> int:
        """Bytes of the CUDA context, and of NCCL: a large sum is NCCL's, which uses multicast where there is a switch.

        The growth of the context and NCCL's buffers are vLLM's, measured.
        """
        last = self.held.layers.stop == self.model.layers
        total: int = WHOLE_CONTEXT + (CONTEXT if last else CONTEXT_FORWARD)
        ranks = self.split.tensor * self.split.data
        if ranks == 1 or self.device.pcie:
            return total
        total += STARTED[True] + (SWITCHED if self.device.switch else 0)
        return total + (COLLECTIVES_WIDE if ranks > PAIR else 0)

    @property
    def graphs(self) -> int:
        """Bytes of CUDA graphs: what vLLM's captures were measured to take, first ones and each more."""
        captured = [size for size in GRAPHS if size <= self.serve.requests]
        return FIRST + FIRST_NODE * len(self.held.layers) + GRAPH * len(captured)

    @property
    def left(self) -> int:
        """Bytes that are free at the peak, the small cache not counted."""
        taken = self.overhead + self.graphs + self.held.resident + self.states + self.activations
        return self.device.total - taken

    @property
    def token(self) -> int:
        """Bytes of a token in this stage's layers."""
        return token_bytes(self.model, self.split, self.serve.kv_bytes, [self.held.layers])[0]

    @property
    def temporary(self) -> int:
        """Bytes of the cache that the step runs with (_get_token_num_for_estimation)."""
        longest = max(1, min(self.serve.tokens, self.serve.length - 1))
        requests = ceil(self.serve.tokens / longest)
        return requests * ceil((longest + 2) / self.serve.block) * self.serve.block * self.token

    @property
    def tokens(self) -> int:
        """Tokens of the cache, rounded up to blocks (calculate_max_num_blocks in resource_manager.py).

        A token is taken for smaller where KV heads are copied (get_cache_size_per_token divides them all the same);
        then the share of what is free without the activations is the limit.
        """
        limit = self.left * self.serve.share
        if self.serve.most_bytes is not None:
            limit = min(limit, self.serve.most_bytes)
        grouped, tensor = self.model.grouped, self.split.tensor
        copies = 1.0 if grouped is None else max(1, grouped.kv_heads // tensor) * tensor / grouped.kv_heads
        found = min(int(limit // (self.token / copies)), (self.left + self.activations) * self.serve.share / self.token)
        if self.serve.most_tokens is not None:
            found = min(found, self.serve.most_tokens)
        return ceil(found / self.serve.block) * self.serve.block

    def memory(self, stage: int, blocks: int) -> RankMemory:
        """As a plan shows it."""
        layers = self.held.layers
        return RankMemory(
            stage,
            (layers.start, layers.stop),
            self.held.resident,
            self.activations + self.states,
            self.overhead,
            self.graphs,
            blocks * self.serve.block * self.token,
            blocks,
            self.device.total,
        )


def _check(short: Sequence[Rank], serve: ServeArguments) -> None:
    """No rank is short of memory."""
    if not short:
        return
    heaviest = max(short, key=lambda rank: rank.held.resident - rank.device.total)
    weights, total = heaviest.held.resident, heaviest.device.total
    if weights > total:
        raise Refusal(
            "weights_too_large",
            "tensor_parallel_size",
            f"each GPU would hold {weights / GIB:.1f} GiB of weights and has {total / GIB:.1f} GiB",
            f"split over {ceil(weights / total / 0.8)} times as many GPUs, or use a smaller quantization",
        )
    poorest = min(short, key=lambda rank: rank.left - rank.temporary)
    states = f", states {poorest.states / GIB:.1f} GiB" if poorest.states else ""
    change = _smaller(poorest, serve)
    raise Refusal(
        "no_kv_memory",
        change.setting if change else SHARE,
        f"weights {poorest.held.resident / GIB:.1f} GiB, activations {poorest.activations / GIB:.1f} GiB{states} and "
        f"overhead {poorest.overhead / GIB:.1f} GiB leave {max(0, poorest.left) / GIB:.1f} GiB of "
        f"{poorest.device.total / GIB:.1f} GiB, too little for the step that the KV cache is sized by",
        "" if change else "use more or larger GPUs, or a smaller quantization",
        [change] if change else (),
    )


def _smaller(rank: Rank, serve: ServeArguments) -> Change | None:
    """A smaller batch that leaves room: of requests where their states are most of it, else of tokens."""
    fewer = [size for size in (1024, 512, 256, 128, 64, 32, 16, 8) if size < serve.requests]
    tries = [(serve._replace(requests=size), Change("max_batch_size", size)) for size in fewer]
    tries = tries if rank.states > rank.activations else []
    tries += [
        (serve._replace(tokens=size), Change("max_num_tokens", size))
        for size in (4096, 2048, 1024)
        if size < serve.tokens
    ]
    for smaller, change in tries:
        batch = min(smaller.requests, smaller.tokens)
        arguments = rank.arguments._replace(max_num_batched_tokens=smaller.tokens, max_num_seqs=batch)
        tried = rank._replace(serve=smaller, arguments=arguments)
        if tried.left > tried.temporary:
            return change
    return None
