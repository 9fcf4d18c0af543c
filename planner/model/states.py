"""States of fixed size in the place of a KV cache, by the names that each family's config.json has for them."""

from __future__ import annotations

from planner.model.fields import Fields
from planner.model.shapes import LinearAttention, Mamba, ShortConv


def state_of(fields: Fields, family: str) -> LinearAttention | Mamba | ShortConv | None:
    """What the layers without attention have.

    Args:
        fields: of the language model.
        family: `gdn`, `mamba`, `conv`, or empty where there are none.

    Raises:
        Refusal: `bad_config`, which names the key.
    """
    match family:
        case "gdn":
            return LinearAttention(
                key_heads=fields.size("linear_num_key_heads"),
                value_heads=fields.size("linear_num_value_heads"),
                key_dim=fields.size("linear_key_head_dim"),
                value_dim=fields.size("linear_value_head_dim"),
                kernel=fields.size("linear_conv_kernel_dim"),
                state_unit=4 if fields.text("mamba_ssm_dtype") == "float32" else 2,
            )
        case "mamba":
            heads = fields.size("mamba_num_heads", "mamba_n_heads")
            dims = fields.values.get("mamba_d_head")
            unsaid = "float32" if fields.text("hybrid_override_pattern") else "auto"
            inner = fields.optional("mamba_d_ssm") or fields.size("mamba_expand", default=2) * fields.size(
                "hidden_size"
            )
            head_dim = inner // heads if dims == "auto" else fields.size("mamba_head_dim", "mamba_d_head")
            return Mamba(
                heads=heads,
                head_dim=head_dim,
                groups=fields.size("n_groups", "mamba_n_groups"),
                state=fields.size("ssm_state_size", "mamba_d_state"),
                kernel=fields.size("conv_kernel", "mamba_d_conv"),
                conv_bias=fields.flag("use_conv_bias", fields.flag("mamba_conv_bias", True)),
                bias=fields.flag("use_bias", fields.flag("mamba_proj_bias")),
                norm=fields.flag("mamba_rms_norm", True),
                # Nemotron-H's states have 32 bits where its config doesn't say otherwise (models/config.py).
                state_unit=4 if fields.text("mamba_ssm_cache_dtype", unsaid) == "float32" else 2,
            )
        case "conv":
            return ShortConv(
                values=fields.size("conv_dim", "hidden_size"),
                kernel=fields.size("conv_L_cache"),
                bias=fields.flag("conv_bias"),
            )
        case _:
            return None
