"""Bytes of weights on each rank."""

from __future__ import annotations

from dataclasses import dataclass

from planner.allocator import Allocator
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
        outside_layers: of `tensors`, embeddings, head and final norm.
    """

    layers: range
    tensors: int
    resident: int
    outside_layers: int


def stage_weights(model: Model, split: Split, *, max_split: int | None) -> list[StageWeights]:
    """Weights of one rank of each stage.

    Args:
        model: the model.
        split: how it is split.
        max_split: see `planner.allocator.Allocator`.
    """
    lister = StageTensors(model, split)
    return [
        _stage(model, split, layers, list(lister.stage(layers)), max_split) for layers in split.stages(model.layers)
    ]


def _stage(model: Model, split: Split, layers: range, tensors: list[Tensor], max_split: int | None) -> StageWeights:
    allocator = Allocator(max_split)
    for tensor in tensors:
        if not (model.quantization.symmetric and tensor.name.endswith("qzeros")):
            allocator.take(tensor.nbytes)
    return StageWeights(
        layers=layers,
        tensors=sum(t.nbytes for t in tensors if "rotary" not in t.name),
        resident=allocator.allocated + _absorbed(model, split) * len(layers),
        outside_layers=sum(t.nbytes for t in tensors if t.layer is None and "rotary" not in t.name),
    )


def _absorbed(model: Model, split: Split) -> int:
    """Bytes a layer of the 16-bit copies W_UV and W_UK_T that MLA makes from a quantized kv_b_proj.

    Unquantized they are views of it (mla_attention.py process_weights_after_loading).
    """
    a = model.latent
    if a is None or model.quantization.method == "none" or model.quantization.experts_only:
        return 0
    return a.heads // split.tensor * (a.nope_dim + a.value_dim) * a.kv_lora_rank * model.dtype_bytes
