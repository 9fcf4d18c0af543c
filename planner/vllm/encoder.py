"""What reading the largest image or video takes in the engine's profiling run, before the language model runs.

Source: vllm 0.20.0, v1/worker/gpu_model_runner.py (profile_run), multimodal/encoder_budget.py and
model_executor/models/qwen2_vl.py and qwen3_vl.py (get_max_image_tokens, get_max_video_tokens, Qwen3_VisionTransformer,
Qwen3_VisionBlock); 0.11.0 where an older rule is named.
"""

from typing import NamedTuple

from planner.catalog.versions import EngineVersion
from planner.model.shapes import Model
from planner.model.vision import VisionTower
from planner.split import Split
from planner.vllm.arguments import EngineArguments

IMAGE_TOKENS = 16384
"""Tokens of the largest image: max_pixels 12,845,056 of Qwen2-VL's and Qwen2.5-VL's preprocessor_config.json over
28 x 28, longest_edge 16,777,216 of Qwen3-VL's over 32 x 32."""

FRAMES = 14
"""Frames of Qwen2-VL's and Qwen2.5-VL's longest video while the engine profiles (_MAX_FRAMES_PER_VIDEO)."""

VIDEO_TOKENS, VIDEO_TOKENS_SHORT, LONG_VIDEO = 12288, 12100, 16200
"""Tokens of Qwen3-VL's largest video in 0.11: 24,576 frames of 32 x 32, or two of 3,520 x 3,520 where the context has
fewer tokens than the last figure, at which the search for more frames stops (_get_max_video_frames; longest_edge
25,165,824 of video_preprocessor_config.json)."""

TIMESTAMPS = 12.5
"""By which 0.11 multiplies them for the timestamps between frames (qwen3_vl.py:674)."""


class Reading(NamedTuple):
    """Bytes on one rank.

    Attributes:
        peak: while the encoder runs.
        held: afterwards, while the language model runs: the encoder's inputs and outputs.
    """

    peak: int
    held: int


NOTHING = Reading(0, 0)


def reading(model: Model, split: Split, arguments: EngineArguments, version: EngineVersion) -> Reading:
    """The largest item that the model's processor lets through; nothing for towers whose sizes aren't known."""
    tower, unit = model.vision, model.dtype_bytes
    if tower is None or not tower.outputs or not arguments.reads_images:
        return NOTHING
    tokens, room = _largest(tower, arguments, version)
    patches = tokens * tower.merged
    pixels = patches * tower.pixels * unit
    output = tokens * tower.outputs * unit
    # The block's input, its sum with the attention, that sum's norm, and the position embeddings, which stay all along.
    rows = tower.hidden * (4 if tower.positions else 3)
    wide = tower.intermediate * (3 if tower.gated else 2) // split.tensor
    # Of the output the last merger's part isn't there yet.
    peak = pixels + patches * unit * (rows + wide) + output * tower.deepstack // (1 + tower.deepstack)
    # Where the cache is larger than the item, the item is copied into it, and stays.
    cached = output if room <= tokens else output + room * tower.outputs * unit
    return Reading(peak, pixels + cached)


def _largest(tower: VisionTower, arguments: EngineArguments, version: EngineVersion) -> tuple[int, int]:
    """Tokens of the item that is profiled, and of the cache that its output is copied into."""
    if not arguments.reads_videos:
        return IMAGE_TOKENS, IMAGE_TOKENS
    if tower.positions:
        # Qwen3-VL's processor, which Qwen3.5 has too (qwen3_5.py, Qwen3_5ProcessingInfo).
        if not version.copies_encoded:
            return IMAGE_TOKENS, IMAGE_TOKENS
        tokens = VIDEO_TOKENS if arguments.max_model_len >= LONG_VIDEO else VIDEO_TOKENS_SHORT
        return tokens, int(tokens * TIMESTAMPS)
    # Two frames are read together, and as many as the context has tokens for.
    pairs = min(arguments.max_model_len // IMAGE_TOKENS, FRAMES // 2)
    tokens = max(1, pairs) * IMAGE_TOKENS
    return tokens, tokens
