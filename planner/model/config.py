"""From a Hugging Face config.json to a `Model`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from planner.catalog.architectures import Architecture, Family, architectures
from planner.model.experts import experts_of
from planner.model.fields import Fields
from planner.model.outline import INNER, outline
from planner.model.quantization import parse_quantization
from planner.model.recorded import NAME, Recorded, read_record
from planner.model.shapes import Attention, Experts, LatentAttention, LayerKind, Model
from planner.model.states import state_of
from planner.model.vision import parse_tower
from planner.pluralize import pluralize
from planner.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
LARGEST_FILE = 2**24
"""Bytes. The largest config.json of the families here is 0.3 MB (lists of ignored modules)."""


def load_config(path: Path) -> dict[str, Any]:
    """Reads a config.json, or the one in a folder.

    Raises:
        Refusal: `config_unreadable` when there is none, or it holds no JSON object.
    """
    file = path / "config.json" if os.path.isdir(path) else path  # noqa: PTH112  # takes any text, unlike Path.is_dir
    remedy = "give the path of the model's config.json, or of the folder that holds it"
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise Refusal(
                "config_unreadable", "config", f"{file} has {file.stat().st_size} bytes: no config.json", remedy
            )
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal("config_unreadable", "config", f"{file}: {error.strerror}", remedy) from None
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its start"
        raise Refusal(
            "config_unreadable", "config", f"{file} is no JSON (at {where})", "download it again: it may be cut off"
        ) from None
    if not isinstance(values, dict):
        raise Refusal("config_unreadable", "config", f"{file} holds a {type(values).__name__}, not an object", remedy)
    return values


def find_record(config: Path) -> Recorded | None:
    """The engine's record beside a config.json, or None.

    Raises:
        Refusal: `record_unreadable`.
    """
    file = (config if os.path.isdir(config) else config.parent) / NAME  # noqa: PTH112  # as in load_config
    return read_record(file) if os.path.isfile(file) else None  # noqa: PTH113


def parse_model(values: dict[str, Any], record: Recorded | None = None) -> Model:
    """Reads a config.json's values.

    Args:
        values: of config.json.
        record: the engine's own answer for this model, which then goes before every rule.

    Raises:
        Refusal: `unknown_architecture`, `unknown_quantization` or `bad_config`, which names the key.
    """
    if record is not None:
        return outline(values, record, _first_architecture(values) or "unknown")
    architecture = _architecture(values)
    traits = architectures()[architecture]
    inner = next((values[key] for key in INNER if isinstance(values.get(key), dict)), None)
    if isinstance(inner, dict):
        values = {
            **values,
            **inner,
            "quantization_config": values.get("quantization_config", inner.get("quantization_config")),
            # A multimodal model's own word goes before its language model's.
            "tie_word_embeddings": values.get("tie_word_embeddings", inner.get("tie_word_embeddings")),
        }
    fields = Fields(values)
    family = traits.family
    layers = fields.size("num_hidden_layers")
    if layers > 4096:
        raise fields.refuse("num_hidden_layers", "a number of layers")
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    latent = family == "deepseek"
    attention = _latent(fields, heads) if latent else _attention(fields, traits, hidden, heads)
    experts = experts_of(fields, traits)
    if experts is not None and traits.router_fp32:
        experts = replace(experts, router_bytes=4)
    if experts is not None and (family in ("deepseek", "llama4", "qwen3_next") or traits.single):
        experts = replace(experts, shared_whole=True)
    dtype = fields.text("torch_dtype") or fields.text("dtype") or "bfloat16"
    if dtype not in DTYPE_BYTES:
        raise fields.refuse("torch_dtype", "bfloat16, float16 or float32")
    quantization = parse_quantization(values)
    positions = fields.size("max_position_embeddings", default=8192)
    tower = parse_tower(values, traits.vision, hidden)
    return Model(
        architecture=architecture,
        hidden=hidden,
        vocab=fields.size("vocab_size"),
        intermediate=_intermediate(fields, family),
        kinds=_kinds(fields, family, layers, attention),
        dense=_dense(fields, family, layers, experts),
        attention=attention,
        linear=state_of(fields, traits.state),
        single=traits.single,
        both=traits.both,
        experts=experts,
        tied=fields.flag("tie_word_embeddings", traits.tied),
        norms=traits.norms,
        norm_bias=traits.norm_bias,
        mlp_bias=fields.says(traits.mlp_bias),
        gated=traits.gated,
        dtype=dtype,
        dtype_bytes=DTYPE_BYTES[dtype],
        positions=positions,
        rope_positions=_rope_positions(fields, positions),
        rope_dim=attention.rope_dim if isinstance(attention, LatentAttention) else attention.head_dim,
        rope_tables=_rope_tables(fields),
        every_stage=traits.every_stage,
        every_embedding=traits.every_embedding,
        vision=tower,
        uncounted_vision=bool(traits.vision) and tower is None and values.get("vision_config") is not None,
        mtp_layers=fields.count("num_nextn_predict_layers") or fields.count("mtp_num_hidden_layers"),
        quantization=quantization,
    )


def _architecture(values: dict[str, Any]) -> str:
    name = _first_architecture(values)
    if name in architectures():
        return str(name)
    shown = f"{name[:60]!r}" if name else "missing"
    raise Refusal(
        "unknown_architecture",
        "config.json: architectures",
        f"is {shown}, which isn't among the {len(architectures())} that the planner has rules for",
        "ask the engine itself, which needs no GPU: python -m planner record --config FILE --engine-python PYTHON "
        "writes its answer beside config.json, and plan uses it",
    )


def _first_architecture(values: dict[str, Any]) -> str | None:
    given = values.get("architectures")
    return given[0] if isinstance(given, list) and given and isinstance(given[0], str) else None


def _attention(fields: Fields, traits: Architecture, hidden: int, heads: int) -> Attention:
    head_dim = fields.optional("head_dim") or traits.head_dim
    if head_dim is None:
        if hidden % heads:
            raise Refusal(
                "bad_config",
                "config.json: num_attention_heads",
                f"{heads} heads can't share hidden_size {hidden}",
                "download config.json of the model again",
            )
        head_dim = hidden // heads
    norm: Literal["none", "head", "all"]
    match traits.qk_norm:
        case "none" | "head" | "all":
            norm = traits.qk_norm
        case key:
            norm = "head" if fields.flag(key) else "none"
    kv_heads = fields.size("num_key_value_heads", default=heads)
    if kv_heads > heads or heads % kv_heads:
        raise fields.refuse("num_key_value_heads", f"a divisor of the {heads} attention heads")
    # null says that there is no window; left out, transformers' default holds.
    window = fields.optional("sliding_window") if "sliding_window" in fields.values else traits.window
    if traits.family == "llama4":
        window = fields.optional("attention_chunk_size")
    if not fields.flag("use_sliding_window", traits.uses_window):
        window = None
    if window is not None:
        window += traits.window_extra
    gpt_oss = traits.family == "gpt_oss"
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        qkv_bias=fields.says(traits.qkv_bias, traits.qkv_bias_default),
        output_bias=fields.says(traits.output_bias),
        qk_norm=norm,
        output_gate=traits.family == "qwen3_next" and fields.flag("attn_output_gate", True),
        sinks=gpt_oss,
        window=window,
    )


def _latent(fields: Fields, heads: int) -> LatentAttention:
    return LatentAttention(
        heads=heads,
        kv_lora_rank=fields.size("kv_lora_rank"),
        rope_dim=fields.size("qk_rope_head_dim"),
        nope_dim=fields.size("qk_nope_head_dim"),
        value_dim=fields.size("v_head_dim"),
        query_lora_rank=fields.optional("q_lora_rank"),
        index_heads=fields.count("index_n_heads"),
        index_dim=fields.count("index_head_dim"),
    )


def _intermediate(fields: Fields, family: Family) -> int:
    if family == "llama4":
        return fields.size("intermediate_size_mlp", "intermediate_size")
    if fields.flag("block_auto_adjust_ff_dim"):
        # LFM2 rounds two thirds of it up (lfm2.py, Lfm2MLP).
        wide = int(fields.size("block_ff_dim", "intermediate_size") * 2 / 3 * fields.number("block_ffn_dim_multiplier"))
        multiple = fields.size("block_multiple_of", default=256)
        return -(-wide // multiple) * multiple
    moe_only = family in ("qwen_moe", "qwen3_next", "mixtral", "gpt_oss", "moe")
    return fields.size("intermediate_size", default=1) if moe_only else fields.size("intermediate_size")


def _dense(fields: Fields, family: Family, layers: int, experts: Experts | None) -> tuple[bool, ...]:
    """Which layers have a dense MLP (`first_k_dense_replace`, `mlp_only_layers`, `decoder_sparse_step`)."""
    if experts is None:
        return (True,) * layers
    if family in ("deepseek", "deepseek_moe"):
        first, step = fields.count("first_k_dense_replace"), fields.size("moe_layer_freq", default=1)
        return tuple(i < first or i % step != 0 for i in range(layers))
    if family == "moe":
        freq = fields.values.get("moe_layer_freq")
        if isinstance(freq, list) and len(freq) == layers:
            return tuple(not each for each in freq)
        keys = ("first_k_dense_replace", "moe_layer_start_index", "num_dense_layers")
        first = next((fields.count(key) for key in keys if fields.values.get(key) is not None), 0)
        step = fields.size("moe_layer_interval", default=1)
        return tuple(i < first or (i + 1) % step != 0 for i in range(layers))
    if family == "llama4":
        step = fields.size("interleave_moe_layer_step", default=1)
        return tuple((i + 1) % step != 0 for i in range(layers))
    only, step = fields.items("mlp_only_layers") or [], fields.size("decoder_sparse_step", default=1)
    return tuple(i in only or (i + 1) % step != 0 for i in range(layers))


def _kinds(  # noqa: PLR0911  # one return a way of telling it, none nested
    fields: Fields, family: Family, layers: int, attention: Attention | LatentAttention
) -> tuple[LayerKind, ...]:
    """What each layer remembers."""
    types = fields.items("layer_types")
    window = attention.window if isinstance(attention, Attention) else None
    pattern = fields.text("hybrid_override_pattern")
    if pattern:
        # Nemotron-H: M a state, * attention, - and E an MLP.
        return tuple({"M": "linear", "*": "full"}.get(letter, "none") for letter in pattern)  # type: ignore[misc]
    if types is not None and len(types) == layers and any(t in STATES for t in types):
        return tuple("linear" if t in STATES else "full" for t in types)
    if family == "llama4":
        roped = fields.items("no_rope_layers") or [(i + 1) % 4 != 0 for i in range(layers)]
        return _every(layers, lambda i: not roped[i] or window is None, "chunked")
    if family == "qwen3_next":
        step = fields.size("full_attention_interval", default=4)
        return _every(layers, lambda i: (i + 1) % step == 0, "linear")
    if types is not None and len(types) != layers:
        raise Refusal(
            "bad_config",
            "config.json: layer_types",
            f"has length {len(types)} for {pluralize(layers, 'layer')}",
            "download config.json of the model again",
        )
    if window is None:
        return _every(layers, lambda i: i >= 0, "full")
    if types is not None:
        return _every(layers, lambda i: types[i] != "sliding_attention", "sliding")
    if family == "gpt_oss":
        return _every(layers, lambda i: i % 2 == 1, "sliding")
    every = fields.optional("sliding_window_pattern")
    if every is None:
        every = next((n for name, n in PATTERNS.items() if fields.text("model_type").startswith(name)), None)
    return _every(layers, lambda i: every is not None and (i + 1) % every == 0, "sliding")


STATES = ("linear_attention", "mamba", "conv", "short_conv")
"""Layer types that keep a state of fixed size."""

PATTERNS = {"gemma2": 2, "gemma3": 6, "cohere2": 4, "olmo3": 4}
"""Every which layer sees everything, where the config doesn't say (transformers' own defaults)."""


def _every(layers: int, full: Callable[[int], bool], other: LayerKind) -> tuple[LayerKind, ...]:
    kinds: list[LayerKind] = [other] * layers
    for i in filter(full, range(layers)):
        kinds[i] = "full"
    return tuple(kinds)


def _rope_positions(fields: Fields, positions: int) -> int:
    """Rows of the cosine table: YaRN stretches the original context by its factor (rotary_embedding/yarn)."""
    scaling = fields.values.get("rope_scaling") or fields.values.get("rope_parameters")
    if isinstance(scaling, dict) and (scaling.get("rope_type") or scaling.get("type")) in ("yarn", "deepseek_yarn"):
        inner = Fields(scaling, "config.json: rope_scaling")
        factor = scaling.get("factor", 1.0)
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 4096:
            raise inner.refuse("factor", "a number above 0")
        return int(inner.size("original_max_position_embeddings", default=positions) * factor)
    return positions


def _rope_tables(fields: Fields) -> int:
    """M-RoPE's table is four times as long (MRotaryEmbedding in rotary_embedding/mrope.py:241, 0.11.0 as 0.24.0)."""
    scaling = fields.values.get("rope_scaling") or fields.values.get("rope_parameters")
    return 4 if isinstance(scaling, dict) and "mrope_section" in scaling else 1
