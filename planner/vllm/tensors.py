"""The tensors that one rank of a stage holds, as the engine allocates them.

Follows vllm/model_executor/layers: `linear.py` (what is cut and what is copied), `vocab_parallel_embedding.py`
(padding), `fused_moe/layer.py`, and the `create_weights` of each quantization method.
"""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from itertools import chain
from math import gcd
from typing import NamedTuple

from planner.model.recorded import Recorded
from planner.model.shapes import Attention, Experts, LatentAttention, LinearAttention, Mamba, Model, ShortConv
from planner.parallelism import padded_vocab
from planner.split import Split

FP32 = 4


class Tensor(NamedTuple):
    """One allocation of a rank.

    Attributes:
        name: its path in the model or in its decoder layer.
        nbytes: its own bytes, before the allocator rounds them.
        in_layer: whether it belongs to a decoder layer, not to embeddings, head, final norm, tower or rotary table.
    """

    name: str
    nbytes: int
    in_layer: bool = False


class StageTensors:
    """Lists the tensors of one tensor-parallel rank of a pipeline stage; all ranks of a stage hold equal ones.

    Args:
        model: the model.
        split: how it is split.
        expert_tile: what MXFP4 experts' hidden and intermediate sizes are rounded up to; the kernel decides.
        marlin: FP8 weights are multiplied by Marlin's kernel, which has a 16-bit scale for every row and group of
            columns (prepare_fp8_layer_for_marlin and prepare_fp8_moe_layer_for_marlin in marlin_utils_fp8.py).
    """

    def __init__(
        self, model: Model, split: Split, expert_tile: tuple[int, int] = (1, 1), *, marlin: bool = False
    ) -> None:
        self.model = model
        self.expert_tile = expert_tile
        self.marlin = marlin
        self.tp = split.tensor
        self.split = split
        self.unit = model.dtype_bytes
        self._known: dict[object, list[Tensor]] = {}

    def stage(self, layers: range) -> Iterator[Tensor]:
        """Every tensor of the stage that holds `layers`."""
        return chain.from_iterable(self.parts(layers))

    def parts(self, layers: range) -> Iterator[list[Tensor]]:
        """The same by layers and what stands around them, in order; layers that are alike are the same list."""
        model = self.model
        if model.recorded is not None:
            yield from self._recorded(model.recorded, layers)
            return
        first = layers.start == 0 or model.every_stage
        last = layers.stop == model.layers or model.every_stage
        if first or model.every_embedding or (last and model.tied):
            yield self._once("embedding", self._embedding)
        for layer in layers:
            yield self.layer(layer)
        yield self._once(("behind", last), partial(self._behind, last))

    def _once(self, key: object, listed: Callable[[], list[Tensor]]) -> list[Tensor]:
        if key not in self._known:
            self._known[key] = listed()
        return self._known[key]

    @property
    def _table(self) -> int:
        return padded_vocab(self.model.vocab) // self.tp * self.model.hidden * self.unit

    def _embedding(self) -> list[Tensor]:
        return [Tensor("embed_tokens", self._table)]

    def _behind(self, last: bool) -> list[Tensor]:
        """What a stage has behind its layers."""
        model, behind = self.model, []
        if last:
            behind.append(Tensor("norm", model.hidden * self.unit * (2 if model.norm_bias else 1)))
            if not model.tied:
                behind.append(Tensor("lm_head", self._table))
        if model.vision is not None:
            behind += [Tensor(name, nbytes) for name, nbytes in model.vision.tensors(self.tp, self.unit)]
        if model.rope_positions:
            # One table for all layers, in the activations' type (rotary_embedding/base.py).
            size = model.rope_tables * model.rope_positions * model.rope_dim * self.unit
            behind.append(Tensor("rotary_emb.cos_sin_cache", size))
        return behind

    def _recorded(self, record: Recorded, layers: range) -> Iterator[list[Tensor]]:
        rank = record.rank(self.tp, self.split.expert_parallel)
        first, last = layers.start == 0, layers.stop == self.model.layers
        outside = rank.whole if first and last else rank.ends[0 if first else 2 if last else 1]
        yield [Tensor(name, nbytes) for name, nbytes in outside]
        for layer in layers:
            yield [Tensor(name, nbytes, in_layer=True) for name, nbytes in rank.layers[layer]]

    def layer(self, index: int) -> list[Tensor]:
        """A layer's tensors, listed once for all of its kind; what isn't quantized may go by a layer's number."""
        model = self.model
        key = index if model.quantization.ignored else (model.kinds[index], model.dense[index])
        return self._once(key, lambda: [Tensor(name, nbytes, in_layer=True) for name, nbytes in self._layer(index)])

    def _layer(self, index: int) -> Iterator[tuple[str, int]]:
        model, kind = self.model, self.model.kinds[index]
        if model.linear is not None and (kind == "linear" or model.both):
            yield from self._state(model.linear, index)
        if kind != "linear" and not (kind == "none" and model.single):
            if isinstance(model.attention, LatentAttention):
                yield from self._latent(model.attention, index)
            else:
                own = model.sliding if kind == "sliding" and model.sliding is not None else model.attention
                yield from self._attention(own, index)
        if not model.single or kind == "none":
            if model.experts is None or model.dense[index]:
                yield from self._mlp("mlp", model.intermediate, index, model.mlp_bias)
            else:
                yield from self._experts(model.experts, index)
        for i in range(model.norms):
            yield f"norm.{i}", model.hidden * self.unit * (2 if model.norm_bias else 1)

    def _attention(self, a: Attention, index: int) -> Iterator[tuple[str, int]]:
        queries, keys = a.heads // self.tp * a.head_dim, max(1, a.kv_heads // self.tp) * a.head_dim
        values = keys if a.value_dim is None else keys // a.head_dim * a.value_dim
        parts = (queries * (2 if a.output_gate else 1), keys, values)
        hidden, rows = self.model.hidden, sum(parts)
        out = queries if a.value_dim is None else queries // a.head_dim * a.value_dim
        yield from self._linear("self_attn.qkv_proj", rows, hidden, index, bias=rows if a.qkv_bias else 0, parts=parts)
        yield from self._linear("self_attn.o_proj", hidden, out, index, bias=hidden if a.output_bias else 0)
        if a.qk_norm == "head":
            yield "self_attn.q_norm", a.head_dim * self.unit
            yield "self_attn.k_norm", a.head_dim * self.unit
        elif a.qk_norm == "all":
            # Olmo2 and MiniMax: minimax_rms_norm.py cuts it, olmo2.py does not; the difference is a few KiB.
            yield "self_attn.q_norm", a.heads * a.head_dim * self.unit
            yield "self_attn.k_norm", a.kv_heads * a.head_dim * self.unit
        if a.sinks:
            yield "self_attn.sinks", a.heads // self.tp * self.unit

    def _latent(self, a: LatentAttention, index: int) -> Iterator[tuple[str, int]]:
        hidden, heads = self.model.hidden, a.heads // self.tp
        compressed = a.kv_lora_rank + a.rope_dim
        wide = heads * (a.nope_dim + a.rope_dim)
        if a.query_lora_rank:
            parts = (a.query_lora_rank, compressed)
            yield from self._linear("self_attn.fused_qkv_a_proj", sum(parts), hidden, index, parts=parts)
            yield "self_attn.q_a_layernorm", a.query_lora_rank * self.unit
            yield from self._linear("self_attn.q_b_proj", wide, a.query_lora_rank, index)
        else:
            yield from self._linear("self_attn.kv_a_proj_with_mqa", compressed, hidden, index)
            yield from self._linear("self_attn.q_proj", wide, hidden, index)
        if a.index_heads and a.query_lora_rank:
            yield from self._linear("self_attn.indexer.wq_b", a.index_heads * a.index_dim, a.query_lora_rank, index)
            yield from self._linear("self_attn.indexer.wk_weights_proj", a.index_dim + a.index_heads, hidden, index)
            yield "self_attn.indexer.k_norm", 2 * a.index_dim * FP32
        yield "self_attn.kv_a_layernorm", a.kv_lora_rank * self.unit
        yield from self._linear("self_attn.kv_b_proj", heads * (a.nope_dim + a.value_dim), a.kv_lora_rank, index)
        yield from self._linear("self_attn.o_proj", hidden, heads * a.value_dim, index)

    def _state(self, a: LinearAttention | Mamba | ShortConv, index: int) -> Iterator[tuple[str, int]]:
        match a:
            case LinearAttention():
                yield from self._linear_attention(a, index)
            case Mamba():
                yield from self._mamba(a, index)
            case ShortConv():
                part = a.values // self.tp
                yield "conv.conv", part * (a.kernel + (1 if a.bias else 0)) * self.unit
                yield from self._linear(
                    "conv.in_proj", 3 * part, self.model.hidden, index, bias=3 * part if a.bias else 0
                )
                yield from self._linear(
                    "conv.out_proj", self.model.hidden, part, index, bias=self.model.hidden if a.bias else 0
                )

    def _mamba(self, a: Mamba, index: int) -> Iterator[tuple[str, int]]:
        hidden, unit, tp = self.model.hidden, self.unit, self.tp
        conv, values, heads = a.convolved(tp), a.values // tp, a.heads // tp
        yield "mamba.conv1d", conv * (a.kernel + (1 if a.conv_bias else 0)) * unit
        rows = conv + values + heads
        yield from self._linear("mamba.in_proj", rows, hidden, index, bias=rows if a.bias else 0)
        yield "mamba.A", heads * FP32
        yield "mamba.D", heads * 2 * unit
        if a.norm:
            yield "mamba.norm", values * unit
        yield from self._linear("mamba.out_proj", hidden, values, index, bias=hidden if a.bias else 0)

    def _linear_attention(self, a: LinearAttention, index: int) -> Iterator[tuple[str, int]]:
        hidden, unit, tp = self.model.hidden, self.unit, self.tp
        keys, values = a.key_heads * a.key_dim, a.values
        yield "linear_attn.conv1d", (2 * keys + values) // tp * a.kernel * unit
        yield from self._linear("linear_attn.in_proj_qkvz", (2 * keys + 2 * values) // tp, hidden, index)
        yield "linear_attn.in_proj_ba", 2 * a.value_heads // tp * hidden * unit
        yield "linear_attn.dt_bias", a.value_heads // tp * unit
        yield "linear_attn.A_log", a.value_heads // tp * FP32
        yield "linear_attn.norm", a.value_dim * unit
        yield from self._linear("linear_attn.out_proj", hidden, values // tp, index)

    def _mlp(self, name: str, width: int, index: int, bias: bool = False) -> Iterator[tuple[str, int]]:
        part, hidden = width // self.tp, self.model.hidden
        parts = (part, part) if self.model.gated else (part,)
        yield from self._linear(
            f"{name}.gate_up_proj", sum(parts), hidden, index, bias=sum(parts) if bias else 0, parts=parts
        )
        yield from self._linear(f"{name}.down_proj", hidden, part, index, bias=hidden if bias else 0)

    def _experts(self, e: Experts, index: int) -> Iterator[tuple[str, int]]:
        hidden, unit = self.model.hidden, self.unit
        yield "mlp.gate", e.count * hidden * e.router_bytes
        if e.router_bias:
            yield "mlp.gate.bias", e.count * unit
        if e.correction_bias:
            yield "mlp.gate.e_score_correction_bias", e.count * FP32
        if e.shared_intermediate:
            # Where each rank sends its share of the tokens, that goes through all of the shared experts.
            width = e.shared_intermediate * (self.tp if shared_experts_whole(e, self.split) else 1)
            yield from self._mlp("mlp.shared_experts", width, index)
        if e.shared_gate:
            yield "mlp.shared_expert_gate", hidden * unit
        count, part = experts_of_rank(e, self.split)
        if self.model.quantization.method == "mxfp4":
            hidden, part = (
                -(-size // tile) * tile for size, tile in zip((hidden, part), self.expert_tile, strict=True)
            )
        yield from self._grouped("mlp.experts.w13", count, 2 * part, hidden, index, parts=2)
        yield from self._grouped("mlp.experts.w2", count, hidden, part, index, parts=1)
        if e.bias:
            yield "mlp.experts.w13_bias", count * 2 * part * unit
            yield "mlp.experts.w2_bias", count * hidden * unit

    def _linear(
        self,
        name: str,
        rows: int,
        columns: int,
        index: int,
        *,
        bias: int = 0,
        parts: tuple[int, ...] | None = None,
    ) -> Iterator[tuple[str, int]]:
        """A linear layer of rows x columns on this rank; `parts`: the checkpoint's layers that were merged."""
        if bias:
            yield f"{name}.bias", bias * self.unit
        q = self.model.quantization
        if q.method == "none" or q.experts_only or self.ignored(name, index):
            yield f"{name}.weight", rows * columns * self.unit
            return
        yield from self._quantized(name, 1, rows, columns, parts or (rows,))

    def _grouped(
        self, name: str, count: int, rows: int, columns: int, index: int, *, parts: int
    ) -> Iterator[tuple[str, int]]:
        """The experts' layers in one tensor."""
        q = self.model.quantization
        if q.method == "none" or self.ignored(name, index):
            yield name, count * rows * columns * self.unit
        else:
            yield from self._quantized(name, count, rows, columns, (rows // parts,) * parts)

    def _quantized(
        self, name: str, count: int, rows: int, columns: int, parts: tuple[int, ...]
    ) -> Iterator[tuple[str, int]]:
        q, weights = self.model.quantization, count * rows * columns
        groups = 1 if q.group_size == -1 else -(-columns // q.group_size)
        match q.method:
            case "fp8_block" | "fp8" | "fp8_channel" if self.marlin:
                yield f"{name}.weight", weights
                blocks = -(-columns // q.block[1]) if q.method == "fp8_block" else 1
                yield f"{name}.weight_scale", count * blocks * rows * 2
            case "fp8_block":
                yield f"{name}.weight", weights
                high, wide = q.block
                if "experts.w" in name:
                    # Parts that aren't whole blocks get finer ones (resolve_fp8_moe_weight_block_shape, 0.32.0).
                    part = rows // 2 if name.endswith("w13") else columns
                    high, wide = gcd(high, part), gcd(wide, part)
                blocks = sum(-(-part // high) for part in parts) * -(-columns // wide)
                yield f"{name}.weight_scale_inv", count * blocks * FP32
            case "fp8":
                yield f"{name}.weight", weights
                yield f"{name}.weight_scale", count * len(parts) * FP32
            case "fp8_channel" | "int8" | "ascend_w8a8":
                yield f"{name}.weight", weights
                yield f"{name}.weight_scale", count * rows * FP32
            case "mxfp4":
                yield f"{name}.weight", weights // 2
                yield f"{name}.weight_scale", weights // 32
            case "nvfp4":
                yield f"{name}.weight", weights // 2
                yield f"{name}.weight_scale", weights // 16
                yield f"{name}.weight_scale_2", count * len(parts) * FP32
                yield f"{name}.input_scale", count * len(parts) * FP32
            case _:  # AWQ, GPTQ and GGUF's 4-bit kinds: packed integers, a 16-bit scale a group
                yield f"{name}.qweight", weights // 2
                yield f"{name}.scales", count * groups * rows * 2
                if q.zero_points:
                    yield f"{name}.qzeros", count * groups * rows // 2

    def ignored(self, name: str, index: int) -> bool:
        """Whether the checkpoint leaves a module of a layer unquantized."""
        listed = self.model.quantization.ignored
        return bool(listed) and _ignored(listed, name, index, self.model.single)


def shared_experts_whole(e: Experts, split: Split) -> bool:
    """Whether each rank has the shared experts whole, not a part of them."""
    return e.shared_whole and split.sequence_parallel_experts


def experts_of_rank(e: Experts, split: Split) -> tuple[int, int]:
    """Routed experts of a layer on one rank, and the width of each there.

    Spread: the first ranks have those that are left over (determine_expert_map in fused_moe/expert_map_manager.py,
    vLLM 0.32.0). Cut: over the tensor-parallel ranks of all data-parallel ones (flatten_tp_across_dp_and_pcp).
    """
    if split.expert_parallel:
        return -(-(e.count + (split.redundant or 0)) // split.expert_ranks), e.intermediate
    return e.count, e.intermediate // split.expert_ranks


FUSED = (
    ("qkv_proj", "q_proj"),
    ("gate_up_proj", "gate_proj"),
    ("fused_qkv_a_proj", "q_a_proj"),
    ("gate_up_proj", "up_proj"),
    ("w13", "gate_up_proj"),
    ("w2", "down_proj"),
)
"""vLLM's merged layers and parts of each in the checkpoint (packed_modules_mapping)."""


@lru_cache(maxsize=65536)
def _ignored(listed: tuple[str, ...], name: str, index: int, mixer: bool) -> bool:
    """Whether a list of unquantized modules has this one; fused modules go by their parts' names.

    `*` is any text in ModelOpt's lists (`is_layer_excluded` in layers/quantization/modelopt.py, vLLM 0.13 to 0.33).
    Where a layer is one operation, checkpoints call it `mixer`.
    """
    wanted = {name, name.replace("shared_experts", "shared_expert")}
    wanted |= {own.replace(fused, part) for own in wanted for fused, part in FUSED if fused in own}
    if mixer:
        wanted |= {f"mixer.{own.partition('.')[2]}" for own in wanted}
    paths = [f"model.layers.{index}.{own}" for own in wanted]
    return any(_names(pattern, path) for pattern in listed for path in paths)


def _names(pattern: str, path: str) -> bool:
    """Whether a name of a checkpoint's list is a module's, or a part of its path."""
    if pattern.startswith("re:"):
        return _search(pattern[3:], path)
    return pattern == path or f".{pattern}." in f".{path}." or ("*" in pattern and fnmatchcase(path, pattern))


def _search(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
