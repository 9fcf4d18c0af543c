"""Vision towers: what a multimodal model holds beside its language model, on every pipeline stage."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from planner.model.fields import Fields
from planner.refusal import Refusal

FAMILIES = ("siglip", "pixtral", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "llama4", "internvl")
"""Towers that can be counted; each follows its class in vllm/model_executor/models, read in 0.32.0."""


class VisionTower(NamedTuple):
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
        head_norms: elements of norms of queries and keys in each block.
        copied: every rank has the whole attention.
        heads: attention heads, which tensor parallelism divides where the attention isn't copied.
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
    head_norms: int = 0
    copied: bool = False
    heads: int = 0
    pixels: int = 0
    merged: int = 1
    outputs: int = 0
    positions: bool = False

    def tensors(self, tensor: int, unit: int) -> Iterator[tuple[str, int]]:
        """Names and bytes on one rank of `tensor`; towers stay in the activations' type, of `unit` bytes."""
        hidden, part = self.hidden, self.intermediate // tensor
        wide = part * (2 if self.gated else 1)
        shared = 1 if self.copied else tensor
        biases = (3 * hidden // shared, hidden, wide, hidden)
        for layer in range(self.layers):
            sizes = (3 * hidden // shared * hidden, hidden * hidden // shared, wide * hidden, hidden * part)
            for name, size, bias in zip(("qkv", "proj", "up", "down"), sizes, biases, strict=True):
                yield f"vision.{layer}.{name}.weight", size * unit
                if self.bias:
                    yield f"vision.{layer}.{name}.bias", bias * unit
            for i in range(2):
                yield f"vision.{layer}.norm.{i}", hidden * unit * (2 if self.norm_bias else 1)
            if self.head_norms:
                yield f"vision.{layer}.head_norms", self.head_norms * unit
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
            "bad_config",
            "config.json: vision_config",
            f"is a {type(inner).__name__}, not an object",
            "download config.json of the model again",
        )
    fields = Fields(inner, "config.json: vision_config")
    tower = _tower(fields, values, family, language_hidden)
    return tower if tower.copied else tower._replace(heads=fields.size("num_heads", "num_attention_heads", default=0))


def _tower(  # noqa: PLR0911, PLR0915  # a case a family, none nested
    fields: Fields, values: dict[str, Any], family: str, language_hidden: int
) -> VisionTower:
    older = family == "qwen2_vl"
    hidden, patch = fields.size("embed_dim" if older else "hidden_size"), _side(fields, "patch_size", 14)
    intermediate = hidden * fields.size("mlp_ratio", default=4) if older else fields.size("intermediate_size")
    pixels = patch * patch * fields.size("in_channels", "in_chans", "num_channels", default=3)
    layers = fields.size("depth") if family.startswith(("qwen", "glm")) else fields.size("num_hidden_layers")
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
        case "qwen2_vl":
            frames = fields.size("temporal_patch_size", default=2)
            out = fields.size("hidden_size")
            cut = square * (square + 1) + square * out
            whole = hidden * (pixels * frames + 2) + out
            return VisionTower(layers, hidden, intermediate, False, True, True, cut, whole)
        case "glm4v":
            frames, out = fields.size("temporal_patch_size", default=2), fields.size("out_hidden_size")
            small = fields.text("model_type").startswith("glm_ocr")
            # The blocks' MLPs are as wide as the merger's output (glm4_1v.py); GLM-OCR's as the config says.
            block = intermediate if small else out
            cut = out * out + 3 * intermediate * out
            patches = hidden * (pixels * frames + 1) + hidden
            positions = 0 if small else hidden * ((_side(fields, "image_size", 336) // patch) ** 2 + 1)
            whole = patches + positions + square * out + out + 2 * out
            bias = fields.flag("attention_bias")
            norms = 2 * (hidden // fields.size("num_heads")) if small else 0
            return VisionTower(layers, hidden, block, True, bias, False, cut, whole, head_norms=norms)
        case "llama4":
            positions, join = (_side(fields, "image_size", 448) // patch) ** 2 + 1, fields.size("projector_input_dim")
            out, seen = fields.size("projector_output_dim"), fields.size("vision_output_dim")
            cut = hidden * pixels + intermediate * join + join * out + seen * language_hidden
            return VisionTower(layers, hidden, intermediate, False, True, True, cut, hidden * (1 + positions + 4))
        case "internvl":
            outer = Fields(values)
            positions, merged = (_side(fields, "image_size", 448) // patch) ** 2 + 1, square
            scales = 2 * hidden * layers
            biases = layers * (0 if fields.flag("attention_bias") else 3 * hidden)
            whole = hidden * (1 + positions + pixels + 1) + scales - biases
            whole += 2 * merged + merged * (language_hidden + 1) + language_hidden * (language_hidden + 1)
            return VisionTower(layers, hidden, intermediate, False, True, True, 0, whole, copied=True)
        case "qwen2_5_vl":
            frames, out = fields.size("temporal_patch_size", default=2), fields.size("out_hidden_size")
            cut = square * (square + 1) + square * out
            return VisionTower(
                layers,
                hidden,
                intermediate,
                True,
                True,
                False,
                cut,
                hidden * (pixels * frames + 1) + out,
                pixels=pixels * frames,
                merged=square // hidden,
                outputs=out,
            )
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
                layers,
                hidden,
                intermediate,
                False,
                True,
                True,
                cut,
                whole,
                deep,
                pixels=pixels * frames,
                merged=square // hidden,
                outputs=(1 + deep) * out,
                positions=True,
            )


def _side(fields: Fields, key: str, default: int) -> int:
    """A length in pixels, of a square that some configs give by both its sides."""
    value = fields.values.get(key)
    return fields.size(key, default=default) if not isinstance(value, list) else fields.sides(key)
