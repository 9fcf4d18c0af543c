"""Vision towers: left out when the engine's arguments leave them out, and refused by name when they make no sense."""

import pytest

from planner import Refusal, device
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.encoder import reading
from planner.vllm.memory import memory
from tests.support.shapes import VISION

VERSION, GPU = vllm_version("0.32.0"), device("H100-80GB")


def weights(config, **given):
    """Resident bytes on one GPU."""
    model = parse_model(config)
    arguments = resolve_arguments(model, GPU, VERSION, {"max_model_len": "4096", **given})
    return memory(model, Split(1, 1), GPU, VERSION, arguments).ranks[0].weights


@pytest.mark.parametrize(
    "given",
    [{"language_model_only": "true"}, {"limit_mm_per_prompt": '{"image": 0, "video": 0}'}],
    ids=lambda g: next(iter(g)),
)
def test_an_engine_that_serves_text_only_holds_no_tower(given):
    """As much as the same model whose config has no tower; with one image allowed it is there."""
    config = VISION["qwen3-vl-8b"]
    without = {k: v for k, v in config.items() if k != "vision_config"}
    assert weights(config, **given) == weights(without) < weights(config)
    assert weights(config, limit_mm_per_prompt='{"image": 1, "video": 0}') == weights(config)


@pytest.mark.parametrize("broken", [[], "text", {"hidden_size": "wide"}, {"hidden_size": 8, "patch_size": None}])
def test_a_tower_that_makes_no_sense_is_refused_by_name(broken):
    with pytest.raises(Refusal) as caught:
        parse_model({**VISION["gemma-3-27b-it"], "vision_config": broken})
    assert caught.value.setting.startswith("config.json: vision_config")


def test_a_tower_of_an_unknown_family_is_said_not_to_be_counted():
    kimi = parse_model(
        {
            "architectures": ["KimiK25ForConditionalGeneration"],
            "vision_config": {"hidden_size": 1152},
            "hidden_size": 7168,
            "num_hidden_layers": 2,
            "num_attention_heads": 64,
            "vocab_size": 163840,
            "intermediate_size": 18432,
            "kv_lora_rank": 512,
            "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128,
            "v_head_dim": 128,
        }
    )
    assert kimi.uncounted_vision and kimi.vision is None


def read(config, version, tensor=1, **given):
    """What reading the largest item takes on a rank."""
    model, known = parse_model(config), vllm_version(version)
    return reading(
        model, Split(tensor), resolve_arguments(model, GPU, known, {"max_model_len": "32768", **given}), known
    )


def test_the_largest_image_is_held_while_the_language_model_runs():
    """16,384 tokens of four patches: 3 x 2 x 16 x 16 values a patch, and outputs of four levels a token, 2 bytes each.

    Two products of the MLP, cut by tensor parallelism, and four tensors of its width beside the inputs; three levels.
    """
    config = VISION["qwen3-vl-8b"]
    inner, out = config["vision_config"], config["vision_config"]["out_hidden_size"]
    pixels = 65536 * 1536 * 2
    assert read(config, "0.32.0").held == pixels + 16384 * 4 * out * 2
    wide = 4 * inner["hidden_size"] + 2 * inner["intermediate_size"] // 2
    assert read(config, "0.32.0", tensor=2).peak == pixels + 65536 * 2 * wide + 16384 * 3 * out * 2
    assert read(config, "0.32.0", skip_mm_profiling="true").held == 0


def test_vllm_0_11_copies_a_video_into_a_cache_of_the_longest_timestamps():
    """12,288 tokens of a video, and a cache of 12.5 times as many."""
    config = VISION["qwen3-vl-8b"]
    out = config["vision_config"]["out_hidden_size"]
    assert read(config, "0.11.0").held == 12288 * 4 * 1536 * 2 + (12288 + 153600) * 4 * out * 2
