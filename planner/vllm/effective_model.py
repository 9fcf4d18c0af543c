"""A model as the engine serves it: the checkpoint, and what `dtype` and `quantization` make of it."""

from __future__ import annotations

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.config import DTYPE_BYTES
from planner.model.shapes import LinearAttention, Mamba, Model, Quantization
from planner.refusal import Change, Refusal
from planner.vllm.rules import BF16

SHORT = {"half": "float16", "float": "float32"}

SAME = {
    "awq": ("awq", "awq_marlin", "auto-round", "auto_round", "inc"),
    "gptq": ("gptq", "gptq_marlin", "compressed-tensors", "auto-round", "auto_round", "inc"),
    "fp8": ("fp8", "compressed-tensors", "modelopt", "fbgemm_fp8"),
    "fp8_block": ("fp8", "deepseek_fp8", "compressed-tensors"),
    "fp8_channel": ("compressed-tensors", "fbgemm_fp8"),
    "int8": ("compressed-tensors",),
    "mxfp4": ("mxfp4", "gpt_oss_mxfp4"),
    "nvfp4": ("modelopt", "modelopt_fp4", "compressed-tensors"),
    "ascend_w8a8": ("ascend",),
    "gguf": ("gguf",),
}
"""Values of `quantization` that a checkpoint of each method takes; Marlin's are the same weights in another order."""


STATE_DTYPES = {"float16": 2, "bfloat16": 2, "float32": 4}


def effective_model(
    model: Model, arguments: dict[str, str], device: Device | None = None, version: EngineVersion | None = None
) -> Model:
    """The model under the engine's `dtype` and `quantization` arguments.

    float32 checkpoints are served in 16 bits unless dtype says float32, and, as the version does, those
    in bfloat16 in float16 on a device that hasn't bfloat16; `quantization=fp8` makes an unquantized
    checkpoint's linear layers 8 bits wide while it loads, with one scale each.

    Raises:
        Refusal: `bad_argument`, `quantization_differs` from the checkpoint's own, or `record_differs`.
    """
    old = device is not None and device.capability is not None and device.capability < BF16
    falls_back = old and version is not None and version.falls_back
    found = _quantized(
        _typed(model, arguments.get("dtype", "auto"), falls_back=falls_back), arguments.get("quantization", "None")
    )
    found = _states(found, arguments.get("mamba_ssm_cache_dtype", "auto"))
    if model.recorded is not None and (found.dtype_bytes, found.quantization) != (2, model.quantization):
        raise Refusal(
            "record_differs",
            "dtype",
            "the engine's record of this model holds 16-bit weights as the checkpoint has them",
            "leave dtype and quantization out",
            [Change("dtype", "auto"), Change("quantization", "None")],
        )
    return found


def _states(model: Model, dtype: str) -> Model:
    """The states of linear attention in another type."""
    if dtype == "auto" or not isinstance(model.linear, LinearAttention | Mamba):
        return model
    if dtype not in STATE_DTYPES:
        raise Refusal(
            "bad_argument", "mamba_ssm_cache_dtype", f"is {dtype[:40]!r}", f"one of auto, {', '.join(STATE_DTYPES)}"
        )
    return model._replace(linear=model.linear._replace(state_unit=STATE_DTYPES[dtype]))


def _typed(model: Model, dtype: str, *, falls_back: bool) -> Model:
    dtype = SHORT.get(dtype, dtype)
    if dtype == "auto":
        dtype = "bfloat16" if model.dtype == "float32" else model.dtype
        dtype = "float16" if falls_back and dtype == "bfloat16" else dtype
    if dtype not in DTYPE_BYTES:
        raise Refusal("bad_argument", "dtype", f"is {dtype[:40]!r}", f"one of auto, {', '.join(DTYPE_BYTES)}")
    return model if dtype == model.dtype else model._replace(dtype=dtype, dtype_bytes=DTYPE_BYTES[dtype])


def _quantized(model: Model, name: str) -> Model:
    own = model.quantization.method
    if name.lower() in ("none", "null", "") or name in SAME.get(own, ()):
        return model
    if own == "none" and name == "fp8":
        return model._replace(quantization=Quantization("fp8", name="fp8"))
    if own == "none":
        raise Refusal(
            "quantization_differs",
            "quantization",
            f"{name[:40]!r} needs a checkpoint that is quantized so",
            "leave it out; any checkpoint can be loaded in fp8",
            (Change("quantization", "fp8"),),
        )
    raise Refusal(
        "quantization_differs",
        "quantization",
        f"is {name[:40]!r}, and the checkpoint is {model.quantization.name}",
        "leave it out",
        [Change("quantization", SAME[own][0])],
    )
