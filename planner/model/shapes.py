"""A model as the planner sees it: the shapes that decide memory and splits, nothing of how it is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from planner.model.vision import VisionTower

LayerKind = Literal["full", "sliding", "linear"]
"""What a layer remembers: every token, a window of tokens, or a state of fixed size."""

QuantMethod = Literal[
    "none", "fp8_block", "fp8", "fp8_channel", "int8", "awq", "gptq", "mxfp4", "nvfp4", "gguf", "ascend_w8a8"
]


@dataclass(frozen=True)
class Quantization:
    """How the linear layers' weights are stored.

    Attributes:
        method: the storage format.
        group_size: inputs that share a scale; -1: one scale for a whole column.
        block: (rows, columns) that share a scale in block-wise FP8.
        ignored: names of modules that stay unquantized; a name matches as part of a path, `re:` as a pattern.
        zero_points: the engine makes room for them while it loads.
        symmetric: they are dropped once loaded.
        experts_only: only routed experts are quantized (mxfp4 of gpt-oss).
        name: the checkpoint's own name of the method, for messages.
    """

    method: QuantMethod = "none"
    group_size: int = -1
    block: tuple[int, int] = (128, 128)
    ignored: tuple[str, ...] = ()
    zero_points: bool = True
    symmetric: bool = False
    experts_only: bool = False
    name: str = "none"


@dataclass(frozen=True)
class Attention:
    """Grouped-query attention. Head sizes in elements."""

    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: Literal["none", "head", "all"] = "none"
    output_gate: bool = False
    sinks: bool = False
    window: int | None = None


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): one compressed KV vector a token, the same on every rank."""

    heads: int
    kv_lora_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    query_lora_rank: int | None


@dataclass(frozen=True)
class LinearAttention:
    """Gated delta net (Qwen3-Next): a convolution's window and a matrix state for each value head."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int


@dataclass(frozen=True)
class Experts:
    """A mixture-of-experts MLP. Sizes in elements."""

    count: int
    intermediate: int
    per_token: int
    shared_intermediate: int = 0
    shared_gate: bool = False
    correction_bias: bool = False
    bias: bool = False
    router_bias: bool = False
    router_bytes: int = 2


@dataclass(frozen=True)
class Model:
    """One model, from its config.json.

    Attributes:
        kinds: what each layer remembers; its length is the number of layers.
        dense: for each layer whether its MLP is dense; all True without experts.
        norms: norms of the hidden size in each layer (2, or 4 with sandwich norms).
        gated: whether a dense MLP has a gate beside its up projection.
        dtype_bytes: bytes of an unquantized weight and of an activation.
        positions: the longest context the weights were made for, in tokens.
        rope_positions: rows of the engine's table of cosines and sines; 0 when it has none.
        every_stage: whether the engine keeps embeddings, final norm and head on every stage.
        vision: its vision tower, counted.
        blind: it has a vision tower that can't be counted.
        pipeline: whether the engine can cut the model into stages.
        dtype: bfloat16, float16 or float32, as the checkpoint says.
    """

    architecture: str
    hidden: int
    vocab: int
    intermediate: int
    kinds: tuple[LayerKind, ...]
    dense: tuple[bool, ...]
    attention: Attention | LatentAttention
    linear: LinearAttention | None
    experts: Experts | None
    tied: bool
    norms: int
    norm_bias: bool
    mlp_bias: bool
    gated: bool
    dtype: str
    dtype_bytes: int
    positions: int
    rope_positions: int
    rope_dim: int
    pipeline: bool = True
    every_stage: bool = False
    vision: VisionTower | None = None
    blind: bool = False
    mtp_layers: int = 0
    quantization: Quantization = field(default_factory=Quantization)

    @property
    def layers(self) -> int:
        """How many decoder layers, multi-token-prediction layers not counted."""
        return len(self.kinds)

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.attention.heads

    @property
    def latent(self) -> LatentAttention | None:
        """Its attention, where it is MLA."""
        return self.attention if isinstance(self.attention, LatentAttention) else None

    @property
    def grouped(self) -> Attention | None:
        """Its attention, where it is grouped-query attention."""
        return self.attention if isinstance(self.attention, Attention) else None
