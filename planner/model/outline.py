"""A model of which the engine's own record is there: config.json only has to tell what activations are estimated by."""

from __future__ import annotations

from typing import Any

from planner.model.fields import Fields
from planner.model.quantization import parse_quantization
from planner.model.recorded import Recorded
from planner.model.shapes import Attention, Experts, LayerKind, Model

INNER = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where multimodal configs keep the language model's."""


def outline(values: dict[str, Any], record: Recorded, architecture: str) -> Model:
    """The model of a config.json in any layout, with what the engine answered for it.

    Raises:
        Refusal: `bad_config`, which names the key.
    """
    fields = Fields(_language(values))
    rank = next(iter(record.ranks.values()))
    kinds: list[LayerKind] = ["none"] * len(rank.layers)
    windows = []
    for layer, kind, _, window in rank.caches:
        kinds[layer] = kind if kinds[layer] == "none" else kinds[layer]
        windows += [window] if window else []
    hidden = fields.size("hidden_size", "n_embd", "d_model", "dim")
    heads = fields.size("num_attention_heads", "n_head", "n_heads", "num_heads", default=1)
    head_dim = fields.optional("head_dim") or max(1, hidden // heads)
    kv_heads = fields.size("num_key_value_heads", "n_kv_heads", default=heads)
    positions = fields.size(
        "max_position_embeddings", "max_sequence_length", "n_positions", "max_seq_len", default=8192
    )
    experts = _experts(fields)
    tables = [any(".experts." in name for name, _ in tensors) for tensors in rank.layers]
    return Model(
        architecture=architecture,
        hidden=hidden,
        vocab=fields.size("vocab_size"),
        intermediate=_widest(fields, hidden),
        kinds=tuple(kinds),
        dense=tuple(not (experts and sparse) for sparse in tables),
        attention=Attention(heads, kv_heads, head_dim, window=min(windows) if windows else None),
        linear=None,
        experts=experts if any(tables) else None,
        tied=False,
        norms=2,
        norm_bias=False,
        mlp_bias=False,
        gated=True,
        dtype="bfloat16",
        dtype_bytes=2,
        positions=positions,
        rope_positions=positions,
        rope_dim=head_dim,
        pipeline=bool(rank.ends),
        quantization=parse_quantization(values),
        recorded=record,
    )


def _widest(fields: Fields, hidden: int) -> int:
    """Of the MLPs, which some configs list layer by layer."""
    given = fields.values.get("intermediate_size")
    if isinstance(given, list) and given and all(type(each) is int and each > 0 for each in given):
        return int(max(given))
    return fields.size("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", default=4 * hidden)


def _language(values: dict[str, Any]) -> dict[str, Any]:
    for key in INNER:
        inner = values.get(key)
        if isinstance(inner, dict):
            return {**values, **_language(inner)}
    return values


COUNTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
WIDTHS = ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size_mlp", "intermediate_size")
PER_TOKEN = ("num_experts_per_tok", "moe_topk", "top_k_experts", "moe_k", "num_experts_per_token")


def _experts(fields: Fields) -> Experts | None:
    count = next((fields.values[key] for key in COUNTS if isinstance(fields.values.get(key), int)), 0)
    if not count:
        return None
    return Experts(fields.size(*COUNTS), fields.size(*WIDTHS), fields.size(*PER_TOKEN, default=8))
