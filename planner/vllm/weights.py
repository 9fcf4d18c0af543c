"""Bytes of weights on each rank."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, groupby
from typing import NamedTuple

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.shapes import Model
from planner.split import Split
from planner.vllm.allocator import Allocator, Requests, requests
from planner.vllm.rules import NATIVE_FP8
from planner.vllm.tensors import StageTensors, Tensor, experts_of_rank


class StageWeights(NamedTuple):
    """The weights of one rank of a stage, in bytes.

    Attributes:
        layers: the stage's layers.
        tensors: sum of the tensors' own bytes, as a checkpoint counts them.
        resident: what the allocator holds once they are loaded and made ready, which the engine reports.
        streamed: of `tensors`, what every step reads: all but the embedding table and the routed experts.
        routed: of `tensors`, the routed experts.
        in_layers: of `tensors`, what belongs to a layer.
    """

    layers: range
    tensors: int
    resident: int
    streamed: int
    routed: int
    in_layers: int = 0


class _Loader(NamedTuple):
    """What turns tensors into resident memory.

    Attributes:
        max_split: see `planner.vllm.allocator.Allocator`.
        expert_tile: (hidden, intermediate) multiples that MXFP4 experts are padded to.
        swizzles: MXFP4 experts' scales are put into an order of their own, and biases made 32 bits wide (Triton).
        keeps_scales: the scales as the checkpoint has them stay beside those.
        marlin: FP8 weights have Marlin's scales, on GPUs that don't compute in FP8.
        machete: AWQ's 4-bit zero points are made 16 bits wide, times their scales, for Machete's kernel.
    """

    max_split: int | None
    expert_tile: tuple[int, int]
    swizzles: bool
    keeps_scales: bool
    marlin: bool
    machete: bool


def stage_weights(
    model: Model,
    split: Split,
    *,
    version: EngineVersion | None = None,
    device: Device | None = None,
    expert_tile: tuple[int, int] | None = None,
) -> list[StageWeights]:
    """Weights of one rank of each stage.

    Args:
        model: the model.
        split: how it is split.
        version: decides what loading leaves behind; without it only tensors are counted.
        device: decides the kernel of MXFP4 experts, and with it their padding.
        expert_tile: (hidden, intermediate) multiples that another engine pads them to, which keeps them so.
    """
    capability = None if device is None else device.capability
    own = model.quantization.method == "mxfp4" and expert_tile is None
    swizzles = own and capability is not None and 9 <= capability < 10
    loader = _Loader(
        version.max_split_mib * 2**20 or None if version is not None else None,
        expert_tile or _expert_tile(capability),
        swizzles,
        version is not None and version.keeps_scales,
        version is not None and capability is not None and capability < NATIVE_FP8,
        version is not None and version.awq_machete and model.quantization.method == "awq" and capability == 9.0,
    )
    return list(_stages(model, split, loader))


@lru_cache(maxsize=8192)
def _stages(model: Model, split: Split, loader: _Loader) -> tuple[StageWeights, ...]:
    """Stages whose layers are of the same kinds are counted once."""
    alone = split._replace(pipeline=1, partition=None)
    counted: dict[int, StageWeights] = {}
    found = []
    for layers, like in stage_kinds(model, split.pipeline, split.partition):
        # What isn't quantized may go by a layer's number, and a record has each layer's own.
        key = layers.start if model.quantization.ignored or model.recorded else like
        if key not in counted:
            counted[key] = _stage(model, alone, layers, loader)
        found.append(StageWeights(layers, *counted[key][1:]))
    return tuple(found)


@lru_cache(maxsize=1024)
def stage_kinds(model: Model, pipeline: int, partition: tuple[int, ...] | None) -> tuple[tuple[range, int], ...]:
    """The layers of each stage, and the number of the first stage that has as many of the same kinds at its place."""
    seen: dict[object, int] = {}
    found = []
    for stage, layers in enumerate(Split(1, pipeline, partition=partition).stages(model.layers)):
        kinds = (model.kinds[layers.start : layers.stop], model.dense[layers.start : layers.stop])
        key = (*kinds, layers.start == 0, layers.stop == model.layers)
        found.append((layers, seen.setdefault(key, stage)))
    return tuple(found)


class _Lister:
    """One rank's tensors, and the sums of those that were asked for."""

    def __init__(self, tensors: StageTensors, dropped: str) -> None:
        self.tensors = tensors
        self._dropped = dropped
        # With the list itself, so that no other gets its id.
        self._known: dict[int, tuple[list[Tensor], _Sums]] = {}

    def sums(self, part: list[Tensor]) -> _Sums:
        if id(part) not in self._known:
            self._known[id(part)] = (part, _summed(part, self._dropped))
        return self._known[id(part)][1]


@lru_cache(maxsize=64)
def _lister(model: Model, split: Split, expert_tile: tuple[int, int], marlin: bool) -> _Lister:
    tensors = StageTensors(model, split, expert_tile, marlin=marlin)
    return _Lister(tensors, "qzeros" if model.quantization.symmetric else "\0")


def _expert_tile(capability: float | None) -> tuple[int, int]:
    """(hidden, intermediate) multiples of the first MXFP4 kernel that runs (fused_moe/oracle/mxfp4.py).

    Triton's on Hopper, TensorRT-LLM's on Blackwell, Marlin's before; the CPU package's where there is no device.
    """
    if capability is None:
        return (1, 32)
    if capability >= 10:
        return (256, 256)
    return (1, 64) if capability >= 9 else (256, 128)


class _Sums(NamedTuple):
    """Of tensors that follow each other: what is asked of the allocator, and bytes of all and of some."""

    requests: Requests
    whole: int
    routed: int
    embedding: int
    in_layers: int


def _summed(tensors: list[Tensor], dropped: str) -> _Sums:
    counted = [t for t in tensors if t.in_layer or not t.name.startswith("rotary")]
    layered = [t for t in tensors if t.in_layer]
    return _Sums(
        requests([t.nbytes for t in tensors if not t.name.endswith(dropped)]),
        sum(t.nbytes for t in counted),
        sum(t.nbytes for t in layered if ".experts." in t.name),
        sum(t.nbytes for t in counted if t.name == "embed_tokens"),
        sum(t.nbytes for t in layered),
    )


@lru_cache(maxsize=8192)
def _stage(model: Model, split: Split, layers: range, loader: _Loader) -> StageWeights:
    """One stage, which is the same in every split with as many ranks a stage."""
    lister = _lister(model, split, loader.expert_tile, loader.marlin)
    parts = list(lister.tensors.parts(layers))
    allocator = Allocator(loader.max_split)
    whole = routed = embedding = in_layers = 0
    for _, alike in groupby(parts, key=id):
        part, *others = alike
        sums, times = lister.sums(part), 1 + len(others)
        allocator.allocate_all(sums.requests, times)
        whole += times * sums.whole
        routed += times * sums.routed
        embedding += times * sums.embedding
        in_layers += times * sums.in_layers
    tensors = list(chain.from_iterable(parts)) if loader.machete or loader.swizzles else []
    resident = allocator.allocated
    if absorbed := _absorbed(model, split):
        resident += absorbed * sum(not lister.tensors.ignored("self_attn.kv_b_proj", layer) for layer in layers)
    if loader.machete:
        # transform_w_zp (kernels/linear/mixed_precision/machete.py, 0.31.0); experts have kernels of their own.
        zeros = sum(t.nbytes for t in tensors if t.name.endswith("qzeros") and ".experts." not in t.name)
        resident += (16 // 4 - 1) * zeros
    if loader.swizzles:
        resident += _swizzled(model, split, tensors, loader)
    return StageWeights(layers, whole, resident, whole - routed - embedding, routed, in_layers)


SWIZZLE_ROWS = 256
"""Rows that scales are padded to: 2 x 8 warps x 2 x 8 (triton_kernels, layout_details/hopper_scale.py)."""


def _swizzled(model: Model, split: Split, tensors: list[Tensor], loader: _Loader) -> int:
    """Bytes that MXFP4 experts grow by once Triton's kernels have them (oracle/mxfp4.py, TRITON_BACKENDS)."""
    e = model.experts
    if e is None:
        return 0
    hidden = model.hidden
    count, part = experts_of_rank(e, split)
    part = part if split.expert_parallel else -(-part // loader.expert_tile[1]) * loader.expert_tile[1]
    padded = sum(
        -(-rows // SWIZZLE_ROWS) * SWIZZLE_ROWS * -(-columns // 64) * 2
        for rows, columns in ((2 * part, hidden), (hidden, part))
    )
    own = count * (2 * part * hidden + hidden * part) // 32
    layers = sum(tensor.name.endswith("mlp.experts.w13.weight") for tensor in tensors)
    wider = count * (2 * part + hidden) * (4 - model.dtype_bytes) if e.bias else 0
    return layers * (count * padded - (0 if loader.keeps_scales else own) + wider)


def _absorbed(model: Model, split: Split) -> int:
    """Bytes a layer of the 16-bit copies W_UV and W_UK_T that MLA makes from a quantized kv_b_proj.

    Unquantized they are views of it (mla_attention.py process_weights_after_loading).
    """
    a = model.latent
    if a is None or model.quantization.method == "none" or model.quantization.experts_only:
        return 0
    return a.heads // split.tensor * (a.nope_dim + a.value_dim) * a.kv_lora_rank * model.dtype_bytes
