"""Mixture-of-experts MLPs, by the names that each family's config.json has for them."""

from __future__ import annotations

from planner.catalog.architectures import Architecture
from planner.model.fields import Fields
from planner.model.shapes import Experts


def experts_of(fields: Fields, traits: Architecture) -> Experts | None:  # noqa: PLR0911  # one return a family
    """What the layers that aren't dense have; None where all are.

    Args:
        fields: of the language model.
        traits: of its architecture.

    Raises:
        Refusal: `bad_config`, which names the key.
    """
    family = traits.family
    match family:
        case "dense":
            return None
        case "mixtral" | "gpt_oss":
            count, inner = fields.size("num_local_experts", "num_experts"), fields.size("intermediate_size")
            oss = family == "gpt_oss"
            bias = fields.says(traits.correction_bias)
            per_token = fields.size("num_experts_per_tok", "experts_per_token")
            return Experts(count, inner, per_token, bias=oss, router_bias=oss, correction_bias=bias)
        case "qwen_moe" | "qwen3_next":
            shared = fields.count("shared_expert_intermediate_size")
            if fields.optional("num_experts") is None and family == "qwen3_next":
                return None
            return Experts(
                fields.size("num_experts", "num_local_experts"),
                fields.size("moe_intermediate_size"),
                fields.size("num_experts_per_tok"),
                shared_intermediate=shared,
                shared_gate=shared > 0,
            )
        case "llama4":
            inner = fields.size("intermediate_size")
            return Experts(
                fields.size("num_local_experts"), inner, fields.size("num_experts_per_tok"), shared_intermediate=inner
            )
        case "moe":
            return _any_experts(fields, traits)
        case _:
            if fields.optional("n_routed_experts") is None:
                return None
            inner = fields.size("moe_intermediate_size")
            correction = fields.says(traits.correction_bias) or fields.text("topk_method") == "noaux_tc"
            return Experts(
                fields.size("n_routed_experts"),
                inner,
                fields.size("num_experts_per_tok"),
                shared_intermediate=inner * fields.count("n_shared_experts"),
                correction_bias=correction,
            )


COUNTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
WIDTHS = ("moe_intermediate_size", "expert_hidden_dim", "intermediate_size")
PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk")
SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")
SHARED_WIDTH = ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size")
"""Names of the same thing in different families' config.json."""


def _any_experts(fields: Fields, traits: Architecture) -> Experts | None:
    if not any(fields.values.get(key) for key in COUNTS):
        return None
    inner = fields.size(*WIDTHS)
    width = next((fields.count(key) for key in SHARED_WIDTH if fields.values.get(key) is not None), None)
    if width is None:
        width = inner * next((fields.count(key) for key in SHARED if fields.values.get(key) is not None), 0)
    return Experts(
        fields.size(*COUNTS),
        inner,
        fields.size(*PER_TOKEN),
        shared_intermediate=width,
        shared_gate=traits.shared_gate,
        correction_bias=fields.says(traits.correction_bias),
        router_bias=traits.router_bias,
    )
