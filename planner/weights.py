"""Bytes of weights on each rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from planner.allocator import Allocator
from planner.device import Device
from planner.model import Model
from planner.split import Split
from planner.tensors import StageTensors, Tensor


@dataclass(frozen=True)
class StageWeights:
    """The weights of one rank of a stage, in bytes.

    Attributes:
        layers: the stage's layers.
        tensors: sum of the tensors' own bytes, as a checkpoint counts them.
        resident: what the allocator holds once they are loaded and made ready, which the engine reports.
        streamed: of `tensors`, what every step reads: all but the embedding table and the routed experts.
        routed: of `tensors`, the routed experts.
    """

    layers: range
    tensors: int
    resident: int
    streamed: int
    routed: int


def stage_weights(
    model: Model, split: Split, *, max_split: int | None, device: Device | None = None
) -> list[StageWeights]:
    """Weights of one rank of each stage.

    Args:
        model: the model.
        split: how it is split.
        max_split: see `planner.allocator.Allocator`.
        device: decides the kernel of MXFP4 experts, and with it their padding.
    """
    return list(_stages(model, split, max_split, _expert_tile(device)))


@lru_cache(maxsize=8192)
def _stages(model: Model, split: Split, max_split: int | None, tile: tuple[int, int]) -> tuple[StageWeights, ...]:
    """Stages whose layers are of the same kinds are counted once."""
    lister = StageTensors(model, split, tile)
    counted: dict[object, StageWeights] = {}
    found = []
    for layers in split.stages(model.layers):
        named = layers.start if model.quantization.ignored else None
        kinds = (model.kinds[layers.start : layers.stop], model.dense[layers.start : layers.stop])
        key = (*kinds, layers.start == 0, layers.stop == model.layers, named)
        if key not in counted:
            counted[key] = _stage(model, split, layers, list(lister.stage(layers)), max_split)
        found.append(replace(counted[key], layers=layers))
    return tuple(found)


def _expert_tile(device: Device | None) -> tuple[int, int]:
    """(hidden, intermediate) multiples of the first MXFP4 kernel that runs (fused_moe/oracle/mxfp4.py).

    Triton's on Hopper, TensorRT-LLM's on Blackwell, Marlin's before; the CPU package's where there is no device.
    """
    if device is None or device.capability is None:
        return (1, 32)
    if device.capability >= 10:
        return (256, 256)
    return (1, 64) if device.capability >= 9 else (256, 128)


def _stage(model: Model, split: Split, layers: range, tensors: list[Tensor], max_split: int | None) -> StageWeights:
    allocator = Allocator(max_split)
    whole = routed = embedding = 0
    dropped = "qzeros" if model.quantization.symmetric else "\0"
    for tensor in tensors:
        if not tensor.name.endswith(dropped):
            allocator.take(tensor.nbytes)
        if tensor.layer is None and tensor.name.startswith("rotary"):
            continue
        whole += tensor.nbytes
        if ".experts." in tensor.name:
            routed += tensor.nbytes
        elif tensor.name == "embed_tokens":
            embedding += tensor.nbytes
    resident = allocator.allocated + _absorbed(model, split) * len(layers)
    return StageWeights(layers, whole, resident, whole - routed - embedding, routed)


def _absorbed(model: Model, split: Split) -> int:
    """Bytes a layer of the 16-bit copies W_UV and W_UK_T that MLA makes from a quantized kv_b_proj.

    Unquantized they are views of it (mla_attention.py process_weights_after_loading).
    """
    a = model.latent
    if a is None or model.quantization.method == "none" or model.quantization.experts_only:
        return 0
    return a.heads // split.tensor * (a.nope_dim + a.value_dim) * a.kv_lora_rank * model.dtype_bytes
