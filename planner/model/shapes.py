"""A model as the planner sees it: the shapes that decide memory and splits, nothing of how it is computed."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from planner.model.recorded import Recorded
from planner.model.vision import VisionTower

LayerKind = Literal["full", "sliding", "chunked", "linear", "none"]
"""What a layer remembers: every token, a window that slides or steps on, a state of fixed size, nothing of its own."""

QuantMethod = Literal[
    "none", "fp8_block", "fp8", "fp8_channel", "int8", "awq", "gptq", "mxfp4", "nvfp4", "gguf", "ascend_w8a8"
]


class Quantization(NamedTuple):
    """How the linear layers' weights are stored.

    Attributes:
        method: the storage format.
        group_size: inputs that share a scale; -1: one scale for a whole column.
        block: (rows, columns) that share a scale in block-wise FP8.
        ignored: names of modules that stay unquantized; a name matches as part of a path, `re:` as a pattern.
        zero_points: the engine allocates them while it loads.
        symmetric: they are dropped once loaded.
        experts_only: only routed experts are quantized (mxfp4 of gpt-oss).
        name: the checkpoint's own name of the method, for messages.
        cache_in_fp8: a ModelOpt checkpoint asks for a KV cache of 8 bits.
    """

    method: QuantMethod = "none"
    group_size: int = -1
    block: tuple[int, int] = (128, 128)
    ignored: tuple[str, ...] = ()
    zero_points: bool = True
    symmetric: bool = False
    experts_only: bool = False
    name: str = "none"
    cache_in_fp8: bool = False


class Attention(NamedTuple):
    """Grouped-query attention.

    Attributes:
        heads: query heads.
        kv_heads: key and value heads, a divisor of `heads`.
        head_dim: elements of a head.
        qkv_bias: the QKV projection has a bias.
        output_bias: the output projection has a bias.
        qk_norm: none; head: one norm of `head_dim`, for all heads; all: one over all heads together.
        output_gate: each query head has a gate of its own size (Qwen3-Next).
        sinks: each query head has a sink, one element (gpt-oss).
        window: tokens that a sliding layer sees; None where no layer slides.
        value_dim: elements of a value's head; None: as many as a key's.
    """

    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: Literal["none", "head", "all"] = "none"
    output_gate: bool = False
    sinks: bool = False
    window: int | None = None
    value_dim: int | None = None


class LatentAttention(NamedTuple):
    """Multi-head latent attention (DeepSeek): one compressed KV vector a token, the same on every rank.

    Attributes:
        heads: query heads.
        kv_lora_rank: elements of the compressed keys and values of a token.
        rope_dim: elements of a head that carry positions; one such key is shared by all heads.
        nope_dim: elements of a query's and key's head that carry none.
        value_dim: elements of a value's head.
        query_lora_rank: elements of a token's compressed queries; None where queries aren't compressed.
        index_heads: heads of the indexer that chooses tokens (DeepSeek sparse attention); 0: there is none.
        index_dim: elements of one of them; a token's key of as many 8-bit elements is kept beside the KV cache.
    """

    heads: int
    kv_lora_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    query_lora_rank: int | None
    index_heads: int = 0
    index_dim: int = 0


class LinearAttention(NamedTuple):
    """Gated delta net (Qwen3-Next): a convolution's window and a matrix state for each value head.

    Attributes:
        key_heads: heads of keys and queries.
        value_heads: heads of values.
        key_dim: elements of a key's head.
        value_dim: elements of a value's head.
        kernel: tokens of the convolution's window.
        state_unit: bytes of an element of the matrix state; the window's have 2 (mamba_ssm_cache_dtype).
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    state_unit: int = 2

    @property
    def projected(self) -> int:
        """Elements that a token is projected into."""
        return 2 * self.key_heads * self.key_dim + 2 * self.values

    @property
    def values(self) -> int:
        """Elements of its output, before the output projection."""
        return self.value_heads * self.value_dim

    def state_bytes(self, tensor: int) -> int:
        """Bytes of a request's state on one of `tensor` ranks."""
        window = (2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim) // tensor * (self.kernel - 1)
        return window * 2 + self.value_heads // tensor * self.value_dim * self.key_dim * self.state_unit


class Mamba(NamedTuple):
    """Mamba-2 (mamba_mixer2.py): a convolution's window and a state for each head.

    Attributes:
        heads: heads.
        head_dim: elements of a head.
        groups: groups of heads that share B and C; copied where there are fewer than ranks.
        state: elements of a head's state for each of its elements.
        kernel: tokens of the convolution's window.
        conv_bias: the convolution has a bias.
        bias: input and output projections have biases.
        norm: its output has a norm.
        state_unit: bytes of an element of a head's state.
    """

    heads: int
    head_dim: int
    groups: int
    state: int
    kernel: int
    conv_bias: bool = True
    bias: bool = False
    norm: bool = True
    state_unit: int = 2

    @property
    def projected(self) -> int:
        """Elements that a token is projected into."""
        return 2 * self.values + 2 * self.groups * self.state + self.heads

    @property
    def values(self) -> int:
        """Elements of its output, before the output projection."""
        return self.heads * self.head_dim

    def convolved(self, tensor: int) -> int:
        """Elements under the convolution on one of `tensor` ranks."""
        groups = self.groups if self.groups % tensor == 0 else tensor
        return (self.values + 2 * groups * self.state) // tensor

    def state_bytes(self, tensor: int) -> int:
        """Bytes of a request's state on one of `tensor` ranks."""
        window = self.convolved(tensor) * (self.kernel - 1)
        return window * 2 + self.values // tensor * self.state * self.state_unit


class ShortConv(NamedTuple):
    """A gated convolution over few tokens (LFM2, short_conv.py).

    Attributes:
        values: elements under the convolution.
        kernel: tokens of its window.
        bias: its layers have biases.
    """

    values: int
    kernel: int
    bias: bool = False

    @property
    def projected(self) -> int:
        """Elements that a token is projected into."""
        return 3 * self.values

    def state_bytes(self, tensor: int) -> int:
        """Bytes of a request's state on one of `tensor` ranks."""
        return self.values // tensor * (self.kernel - 1) * 2


@dataclass(frozen=True)
class Experts:
    """A mixture-of-experts MLP.

    Attributes:
        count: routed experts.
        intermediate: width of one, in elements.
        per_token: routed experts that a token goes through.
        shared_intermediate: width of the shared experts together, in elements; 0 where there are none.
        shared_gate: the shared experts' output has a gate.
        correction_bias: the router has a score correction bias, 32 bits an expert.
        bias: the experts' layers have biases.
        router_bias: the router has a bias.
        router_bytes: bytes of a router's weight.
        shared_whole: ranks that send the experts their share of the tokens have the shared experts whole (`disable_tp`
            of deepseek_v2.py, llama4.py, qwen3_next.py and nemotron_h.py, vLLM 0.32.0).
    """

    count: int
    intermediate: int
    per_token: int
    shared_intermediate: int = 0
    shared_gate: bool = False
    correction_bias: bool = False
    bias: bool = False
    router_bias: bool = False
    router_bytes: int = 2
    shared_whole: bool = False


class Model(NamedTuple):
    """One model, from its config.json.

    Attributes:
        architecture: the first of config.json's `architectures`.
        hidden: elements of a token between layers.
        vocab: words, unpadded.
        intermediate: width of a dense MLP, in elements.
        kinds: what each layer remembers; its length is the number of layers.
        dense: for each layer whether its MLP is dense; all True without experts.
        attention: of every layer that isn't linear.
        linear: of layers with a state of fixed size; None where there are none.
        experts: of layers that aren't dense; None where all are.
        tied: embedding and head are one tensor.
        norms: norms of the hidden size in each layer (2, or 4 with sandwich norms).
        norm_bias: norms have biases.
        mlp_bias: dense MLPs' layers have biases.
        gated: whether a dense MLP has a gate beside its up projection.
        dtype: bfloat16, float16 or float32, as the checkpoint says.
        dtype_bytes: bytes of an unquantized weight and of an activation.
        positions: the longest context the weights were made for, in tokens.
        rope_positions: rows of the engine's table of cosines and sines; 0 when it has none.
        rope_dim: elements of such a row.
        rope_tables: tables of that many rows; 4 with M-RoPE, whose positions are those of a long video.
        pipeline: whether the engine can cut the model into stages.
        every_stage: whether the engine keeps embeddings, final norm and head on every stage.
        every_embedding: whether it keeps the embeddings there, and no norm and head.
        vision: its vision tower, counted.
        uncounted_vision: it has a vision tower that can't be counted.
        mtp_layers: multi-token-prediction layers, which aren't loaded unless asked for.
        quantization: how the linear layers' weights are stored.
        single: a layer is either a mixer of tokens or an MLP (kind `none`), not both.
        both: every layer has `linear` beside its attention.
        sliding: attention of the sliding layers, where it isn't `attention`'s.
        recorded: what the engine itself answered for this model, which then goes before every rule.
    """

    architecture: str
    hidden: int
    vocab: int
    intermediate: int
    kinds: tuple[LayerKind, ...]
    dense: tuple[bool, ...]
    attention: Attention | LatentAttention
    linear: LinearAttention | Mamba | ShortConv | None
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
    rope_tables: int = 1
    pipeline: bool = True
    every_stage: bool = False
    every_embedding: bool = False
    vision: VisionTower | None = None
    uncounted_vision: bool = False
    mtp_layers: int = 0
    quantization: Quantization = Quantization()
    single: bool = False
    both: bool = False
    sliding: Attention | None = None
    recorded: Recorded | None = None

    def __hash__(self) -> int:
        """Of its plain sizes: hashing every layer anew for each look into a cache costs more than the rare tie."""
        return hash((self.architecture, self.hidden, self.vocab, self.intermediate, len(self.kinds), self.dtype))

    @property
    def layers(self) -> int:
        """How many decoder layers, multi-token-prediction layers not counted."""
        return len(self.kinds)

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.attention.heads

    @property
    def quantized(self) -> bool:
        """Whether its checkpoint is quantized."""
        return self.quantization.method != "none"

    @property
    def plain(self) -> bool:
        """Whether it has neither experts nor states of linear attention."""
        return self.experts is None and self.linear is None

    @property
    def latent(self) -> LatentAttention | None:
        """Its attention, where it is MLA."""
        return self.attention if isinstance(self.attention, LatentAttention) else None

    @property
    def grouped(self) -> Attention | None:
        """Its attention, where it is grouped-query attention."""
        return self.attention if isinstance(self.attention, Attention) else None
