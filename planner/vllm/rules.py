"""Every rule that a model, a split, an accelerator and an engine meet together, in the order a user resolves them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from planner import parallelism
from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion, version_for
from planner.model.shapes import LatentAttention, LinearAttention, Mamba, Model, QuantMethod
from planner.refusal import Change, Refusal
from planner.split import Split
from planner.vllm.tensors import shared_experts_whole

CAPABILITY: dict[QuantMethod, float] = {
    "fp8_block": 7.5,
    "fp8": 7.5,
    "fp8_channel": 7.5,
    "int8": 7.5,
    "awq": 7.5,
    "gptq": 6.0,
    "mxfp4": 8.0,
    "nvfp4": 7.5,
}
"""Lowest compute capability that runs a quantization, Marlin's weight-only kernels included
(get_min_capability in vllm/model_executor/layers/quantization, 0.33.0)."""

BF16 = 8.0
"""Compute capability from which there is bfloat16 (platforms/cuda.py check_if_supports_dtype)."""

NATIVE_FP8 = 8.9
"""Compute capability from which linear layers compute in FP8; before it, weights alone are 8 bits wide (Marlin)."""


def check_split(model: Model, split: Split, version: EngineVersion | None = None) -> None:
    """The model can be cut this way.

    Args:
        model: the model.
        split: the parts.
        version: the engine's; None for the rules that hold in all.

    Raises:
        Refusal: of the first rule that doesn't hold.
    """
    tp = split.tensor
    parallelism.check_sizes(tp, split.pipeline, split.data)
    if model.recorded is not None:
        # The engine itself has accepted these sizes, or says why not.
        if model.experts is not None and split.data > 1:
            raise Refusal(
                "not_recorded",
                parallelism.DATA,
                f"is {split.data}, and the engine's record of this model has its experts without data parallelism",
                changes=[Change(parallelism.DATA, 1)],
            )
        model.recorded.rank(tp, split.expert_parallel)
        parallelism.check_pipeline(model.layers, split.pipeline, supported=model.pipeline)
        split.stages(model.layers)
        return
    if split.expert_parallel:
        parallelism.check_has_experts(model.experts.count if model.experts is not None else 0)
    parallelism.check_heads(model.heads, tp)
    if model.grouped is not None:
        parallelism.check_kv_heads(model.grouped.kv_heads, tp)
    if model.vision is not None:
        parallelism.check_heads(model.vision.heads, tp, "the vision tower")
    parallelism.check_vocab(model.vocab, tp)
    for width, what, expert in _widths(model, split):
        if not (expert and split.expert_parallel):
            _cut(model, split, partial(parallelism.check_intermediate, width, what=what), expert=expert)
    if isinstance(model.linear, LinearAttention):
        parallelism.check_heads(model.linear.key_heads, tp)
    elif isinstance(model.linear, Mamba):
        parallelism.check_heads(model.linear.heads, tp)
    if model.experts is not None and split.expert_parallel:
        # Those that balance experts have as many on each rank (n_local_physical_experts of the models' classes).
        count = model.experts.count + (split.redundant or 0)
        parallelism.check_experts(count, split.expert_ranks, even=split.redundant is not None)
    _check_quantization(model, split, refined=version is not None and version.refine_experts)
    parallelism.check_pipeline(model.layers, split.pipeline, supported=model.pipeline)
    split.stages(model.layers)


def check_device(model: Model, device: Device, version: EngineVersion) -> None:
    """The accelerator runs this engine and this model's types.

    Raises:
        Refusal: `gpu_too_old`, `gpu_too_new`, `quantization_needs_newer_gpu`, `no_bfloat16`,
            `gguf_not_supported`, `ascend_only` or `not_on_ascend`.
    """
    q = model.quantization
    if q.method == "gguf":
        raise Refusal(
            "gguf_not_supported",
            "model",
            "is a GGUF file, which vLLM can't serve without a plugin, and not at all for the DeepSeek architecture",
            "use an AWQ or FP8 checkpoint with vLLM",
            (Change("engine", "llamacpp"),),
        )
    ascend = device.kind == "ascend"
    if ascend != (q.method == "ascend_w8a8") and q.method != "none":
        if ascend:
            raise Refusal(
                "not_on_ascend",
                "model",
                f"is quantized with {q.name}, which Ascend NPUs can't run",
                "use the model's W8A8 checkpoint for Ascend, or the bf16 one",
            )
        raise Refusal("ascend_only", "model", "is quantized for Ascend NPUs", "use an FP8 or AWQ checkpoint on GPUs")
    if device.capability is None:
        return
    low, high = version.capability
    engine = f"vLLM {version.version}"
    works = version_for(device.capability)
    another = [Change("engine_version", works)] if works else []
    if device.capability < low:
        raise Refusal(
            "gpu_too_old",
            "gpu",
            f"{device.name} has compute capability {device.capability}; {engine} needs {low}",
            "use a newer GPU such as T4, A10 or L20",
            another,
        )
    if device.capability > high:
        raise Refusal(
            "gpu_too_new",
            "gpu",
            f"{device.name} has compute capability {device.capability}; {engine} is built up to {high}",
            changes=another,
        )
    needed = CAPABILITY.get(q.method, 0.0)
    if device.capability < needed:
        raise Refusal(
            "quantization_needs_newer_gpu",
            "gpu",
            f"{device.name} has compute capability {device.capability}, and {q.name} weights need {needed}",
            "use a newer GPU, or an AWQ or GPTQ checkpoint",
        )
    if model.dtype == "bfloat16" and device.capability < BF16:
        raise Refusal(
            "no_bfloat16",
            "dtype",
            f"the model is in bfloat16, which {device.name} (compute capability {device.capability}) doesn't have",
            changes=[Change("dtype", "float16")],
        )


def _widths(model: Model, split: Split) -> list[tuple[int, str, bool]]:
    """(width, its name, whether it is a routed expert's) of every MLP that is cut."""
    widths = []
    if any(model.dense):
        widths.append((model.intermediate, "intermediate_size", False))
    if model.experts is not None:
        widths.append((model.experts.intermediate, "moe_intermediate_size", True))
        if model.experts.shared_intermediate and not shared_experts_whole(model.experts, split):
            widths.append((model.experts.shared_intermediate, "the shared experts' width", False))
    return widths


def _cut(model: Model, split: Split, check: Callable[[int], None], *, expert: bool) -> None:
    """A width is cut into parts; a routed expert's over all data parallel ranks, which may also spread them whole."""
    try:
        check(split.expert_ranks if expert else split.tensor)
    except Refusal as refusal:
        if not expert or split.data == 1 or model.experts is None:
            raise
        spread = [Change(parallelism.EXPERT, True)] if model.experts.count >= split.expert_ranks else []
        raise Refusal(
            refusal.code,
            parallelism.DATA,
            f"is {split.data}, and {refusal.reason}",
            "" if spread else "use fewer data parallel ranks",
            spread,
        ) from None


def _check_quantization(model: Model, split: Split, *, refined: bool) -> None:
    q, tp = model.quantization, split.tensor
    if q.method == "fp8_block":
        block = max(q.block)
        for width, what, expert in _widths(model, split):
            if not (expert and (split.expert_parallel or refined)):
                check = partial(parallelism.check_block_quantization, width, block=block, what=what, expert=expert)
                _cut(model, split, check, expert=expert)
        for width, what in _attention_widths(model):
            parallelism.check_block_quantization(width, tp, block, what=what)
    elif q.method in ("awq", "gptq") and q.group_size > 0:
        for width, what, expert in _widths(model, split):
            if not (expert and split.expert_parallel):
                check = partial(parallelism.check_group_quantization, width, group_size=q.group_size, what=what)
                _cut(model, split, check, expert=expert)
        if model.grouped is not None:
            width = model.grouped.heads * model.grouped.head_dim
            parallelism.check_group_quantization(width, tp, q.group_size, what="the attention's output width")


def _attention_widths(model: Model) -> list[tuple[int, str]]:
    a = model.attention
    if isinstance(a, LatentAttention):
        return [
            (a.heads * (a.nope_dim + a.rope_dim), "the queries' width"),
            (a.heads * (a.nope_dim + a.value_dim), "the up-projected KV's width"),
            (a.heads * a.value_dim, "the attention's output width"),
        ]
    return [(a.heads * a.head_dim, "the attention's output width")]
