"""What a model's class holds beyond what its config.json says (`data/architectures.yaml`)."""

from typing import Literal, NamedTuple

from planner.catalog.table import entries

Family = Literal["dense", "moe", "mixtral", "qwen_moe", "gpt_oss", "qwen3_next", "deepseek", "deepseek_moe", "llama4"]
"""Which keys of config.json tell of attention and experts: how `planner.model.config` reads it."""


class Architecture(NamedTuple):
    """One entry of `architectures` in a config.json, as vLLM's class of that name builds it.

    Where a flag may be text, that is the key of config.json that says so. `tied`, `head_dim`, `window` and
    `uses_window` are what it means where a config.json leaves them out (transformers' own defaults).

    Attributes:
        family: how config.json is read.
        qkv_bias: whether the QKV projection has a bias.
        qkv_bias_default: what `qkv_bias` means where its key is left out.
        output_bias: whether the output projection has a bias.
        mlp_bias: whether the MLP's layers have biases.
        qk_norm: none; head: one norm of `head_dim`; all: one over all heads; or the key that says that there is one.
        norms: norms of the hidden size in each layer.
        norm_bias: whether they have biases.
        gated: whether the MLP has a gate beside its up projection.
        tied: whether embedding and head are one tensor.
        head_dim: elements of a head; None: the hidden size over the heads.
        window: tokens of sliding attention; None: there is none.
        window_extra: tokens by which the class widens it.
        uses_window: `use_sliding_window`.
        correction_bias: whether the router has a score correction bias.
        router_fp32: whether the router's weights have 32 bits.
        router_bias: whether the router has a bias.
        shared_gate: whether the shared experts' output has a gate.
        state: what layers without attention have: `gdn`, `mamba` or `conv`; empty: there are none.
        single: a layer is either a mixer of tokens or an MLP.
        both: every layer has a state beside its attention.
        every_stage: whether the class makes embeddings, final norm and head on every pipeline stage.
        every_embedding: whether it makes the embeddings, and nothing else of those, on every pipeline stage.
        vision: the tower's family in `planner/model/vision.py`; others aren't counted, which a plan notes.
    """

    family: Family = "dense"
    qkv_bias: bool | str = False
    qkv_bias_default: bool = False
    output_bias: bool | str = False
    mlp_bias: bool | str = False
    qk_norm: str = "none"
    norms: int = 2
    norm_bias: bool = False
    gated: bool = True
    tied: bool = False
    head_dim: int | None = None
    window: int | None = None
    window_extra: int = 0
    uses_window: bool = True
    correction_bias: bool | str = False
    router_fp32: bool | str = False
    router_bias: bool = False
    shared_gate: bool = False
    state: str = ""
    single: bool = False
    both: bool = False
    every_stage: bool = False
    every_embedding: bool = False
    vision: str = ""


def architectures() -> dict[str, Architecture]:
    """Every architecture that can be counted, by its class."""
    return entries("architectures", Architecture)
