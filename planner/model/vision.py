"""Vision towers: what a multimodal model holds beside its language model, on every pipeline stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.model.fields import Fields
from planner.refusal import Refusal

FAMILIES = ("siglip", "pixtral", "qwen2_5_vl", "qwen3_vl")
"""Towers that can be counted; each follows its class in vllm/model_executor/models, read in 0.32.0."""


@dataclass(frozen=True)
class VisionTower:
    """An image encoder and what joins it to the language model.

    Attributes:
        layers: blocks of attention and MLP.
        hidden: width between blocks.
        intermediate: width of the MLP.
        gated: whether the MLP has a gate beside its up projection.
        bias: whether linear layers of the blocks have biases.
        norm_bias: whether the blocks' norms have biases.
        cut: elements of linear layers outside the blocks that tensor parallelism divides.
        whole: elements outside the blocks that every rank holds.
        deepstack: levels whose features go into the language model's first layers, each with a buffer of a whole batch.
        pixels: values of a patch of the image, over all its channels and frames.
        merged: patches that become one token.
        outputs: values of a token that the encoder hands on; 0 where what reading an image takes isn't known.
        positions: position embeddings are added to the patches.
    """

    layers: int
    hidden: int
    intermediate: int
    gated: bool
    bias: bool
    norm_bias: bool
    cut: int
    whole: int
    deepstack: int = 0
    pixels: int = 0
    merged: int = 1
    outputs: int = 0
    positions: bool = False

    def tensors(self, tensor: int, unit: int) -> Iterator[tuple[str, int]]:
        """Names and bytes on one rank of `tensor`; towers stay in the activations' type, of `unit` bytes."""
        hidden, part = self.hidden, self.intermediate // tensor
        wide = part * (2 if self.gated else 1)
        biases = (3 * hidden // tensor, hidden, wide, hidden)
        for layer in range(self.layers):
            sizes = (3 * hidden // tensor * hidden, hidden * hidden // tensor, wide * hidden, hidden * part)
            for name, size, bias in zip(("qkv", "proj", "up", "down"), sizes, biases, strict=True):
                yield f"vision.{layer}.{name}.weight", size * unit
                if self.bias:
                    yield f"vision.{layer}.{name}.bias", bias * unit
            for i in range(2):
                yield f"vision.{layer}.norm.{i}", hidden * unit * (2 if self.norm_bias else 1)
        yield "vision.outside.cut", self.cut // tensor * unit
        yield "vision.outside.whole", self.whole * unit


def parse_tower(values: dict[str, Any], family: str, language_hidden: int) -> VisionTower | None:
    """Reads `vision_config`; None for a model without one, or of a family that can't be counted.

    Args:
        values: the whole config.json.
        family: one of `FAMILIES`, as data/architectures.yaml says, or another word.
        language_hidden: hidden size of the language model.

    Raises:
        Refusal: `bad_config`, which names the key.
    """
    inner = values.get("vision_config")
    if inner is None or family not in FAMILIES:
        return None
    if not isinstance(inner, dict):
        raise Refusal(
            "bad_config", "config.json: vision_config", f"is a {type(inner).__name__}, not an object",
            "download config.json of the model again",
        )  # fmt: skip
    fields = Fields(inner, "config.json: vision_config")
    hidden, patch = fields.size("hidden_size"), fields.size("patch_size")
    intermediate = fields.size("intermediate_size")
    pixels = patch * patch * fields.size("in_channels", "in_chans", "num_channels", default=3)
    layers = fields.size("depth") if family.startswith("qwen") else fields.size("num_hidden_layers")
    square = hidden * fields.size("spatial_merge_size", default=2) ** 2
    match family:
        case "siglip":
            positions = (fields.size("image_size") // patch) ** 2
            whole = hidden * (pixels + 1 + positions + 2) + hidden * (language_hidden + 1)
            return VisionTower(layers, hidden, intermediate, False, True, True, 0, whole)
        case "pixtral":
            outer = Fields(values)
            square = hidden * outer.size("spatial_merge_size", default=2) ** 2
            cut = language_hidden * (hidden + language_hidden)
            whole = hidden * (pixels + 1) + hidden * (1 + square)
            if outer.flag("multimodal_projector_bias"):
                cut, whole = cut + language_hidden, whole + language_hidden
            return VisionTower(layers, hidden, intermediate, True, False, False, cut, whole)
        case "qwen2_5_vl":
            frames, out = fields.size("temporal_patch_size", default=2), fields.size("out_hidden_size")
            cut = square * (square + 1) + square * out
            return VisionTower(
                layers, hidden, intermediate, True, True, False, cut, hidden * (pixels * frames + 1) + out,
                pixels=pixels * frames, merged=square // hidden, outputs=out,
            )  # fmt: skip
        case _:
            frames, out = fields.size("temporal_patch_size", default=2), fields.size("out_hidden_size")
            positions, deep = (
                fields.size("num_position_embeddings"),
                len(fields.items("deepstack_visual_indexes") or []),
            )
            # The last merger's norm is before the patches are merged, the deep ones' after.
            cut = (1 + deep) * (square * (square + 1) + square * out)
            whole = hidden * (pixels * frames + 1 + positions + 2) + deep * 2 * square + (1 + deep) * out
            return VisionTower(
                layers, hidden, intermediate, False, True, True, cut, whole, deep,
                pixels=pixels * frames, merged=square // hidden, outputs=(1 + deep) * out, positions=True,
            )  # fmt: skip
