"""What proposes tokens and what adapts the model: weights, KV cache, slots."""

import json

import pytest

from planner import Refusal, catalog_model, device
from planner.catalog.versions import vllm_version
from planner.model.shapes import LinearAttention
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.effective_model import effective_model
from planner.vllm.memory import memory

H200, VERSION = device("H200-141GB"), vllm_version("0.33.0")


def counted(model, split=Split(), **given):  # noqa: B008  # frozen
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    model = effective_model(model, given)
    return memory(model, split, H200, VERSION, resolve_arguments(model, H200, VERSION, given))


def grown(before, after, of="weights"):
    return [getattr(b, of) - getattr(a, of) for a, b in zip(before.ranks, after.ranks, strict=True)]


def test_multi_token_prediction_adds_a_layer_to_the_last_stage():
    """DeepSeek-R1's: a layer of experts, eh_proj (7168 x 14336) and a layer of KV cache."""
    r1, eight = catalog_model("deepseek-r1").model, Split(8)
    plain = counted(r1, eight, max_model_len="8192")
    with_mtp = counted(
        r1, eight, max_model_len="8192", speculative_config={"method": "mtp", "num_speculative_tokens": 1}
    )
    assert grown(plain, with_mtp) == [pytest.approx(1.54 * 2**30, rel=0.01)]
    a, b = (each.deciding.kv_cache / each.deciding.blocks for each in (plain, with_mtp))
    assert b / a == pytest.approx(62 / 61, rel=1e-3)


def test_a_draft_model_is_whole_and_keeps_its_own_cache():
    target, draft = (catalog_model(name).model for name in ("qwen3-8b", "qwen3-0.6b"))
    plain = counted(target)
    drafted = counted(target, speculative_config={"model": "qwen3-0.6b", "num_speculative_tokens": 4})
    assert grown(plain, drafted)[0] == pytest.approx(1.19e9, rel=0.02)
    per_token = drafted.deciding.kv_cache / drafted.kv_cache_tokens
    assert per_token == pytest.approx(2 * 2 * 128 * 8 * (target.layers + draft.layers), rel=1e-3)


def test_looking_back_costs_no_memory():
    target = catalog_model("qwen3-8b").model
    assert counted(target, speculative_config={"method": "ngram", "num_speculative_tokens": 3}) == counted(target)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[]", "is no JSON object"),
        ({"method": "mtp", "num_speculative_tokens": 1}, "has no multi-token-prediction layers"),
        ({"method": "eagle3", "num_speculative_tokens": 3}, "has no model for method 'eagle3'"),
        ({"method": "ngram", "num_speculative_tokens": 0}, "is 0"),
        ({"method": "ngram"}, "is None"),
    ],
)
def test_what_the_engine_would_refuse_is_refused(config, says):
    with pytest.raises(Refusal, match=says):
        counted(catalog_model("qwen3-8b").model, speculative_config=config)


def test_a_proposing_model_that_is_not_known_is_not_counted_and_said_to_be_so():
    model = catalog_model("qwen3-8b").model
    found = resolve_arguments(
        model, H200, VERSION, {"speculative_config": '{"model": "some/head", "num_speculative_tokens": 3}'}
    )
    assert found.speculative is not None
    assert found.speculative.unknown == "some/head"


def test_slots_for_adapters_are_taken_whatever_is_loaded():
    """Llama 3.1 8B, rank 16: 40.0 million values a slot in its linear layers, and its two tables'."""
    model = catalog_model("llama-3.1-8b-instruct").model
    plain, one, two = (
        counted(model, **given)
        for given in ({}, {"enable_lora": "true"}, {"enable_lora": "true", "max_loras": "2", "max_lora_rank": "32"})
    )
    linear, tables = 32 * 1_310_720, 2 * 16 * (128_256 + 4_096)
    assert grown(plain, one) == [2 * (linear + tables)]
    assert grown(plain, two) == [4 * 2 * (linear + tables)]


def test_routed_experts_have_slots_each():
    """Qwen3-30B-A3B, rank 16: of 128 experts of 2048 x 768, and of attention of 32 and 4 heads of 128, in 48 layers."""
    model = catalog_model("qwen3-30b-a3b").model
    expert, attention = (2 * 2048 + 1536) + (768 + 2048), (3 * 2048 + 5120) + (4096 + 2048)
    tables = 2 * (151_936 + 2_048)
    assert grown(counted(model), counted(model, enable_lora="true")) == [
        2 * 16 * (48 * (128 * expert + attention) + tables)
    ]


def test_a_side_that_is_not_cut_has_whole_slots_on_every_rank_unless_they_are_sharded():
    model = catalog_model("llama-3.1-8b-instruct").model
    plain, whole, sharded = (
        counted(model, Split(4), **given)
        for given in ({}, {"enable_lora": "true"}, {"enable_lora": "true", "fully_sharded_loras": "true"})
    )
    alone = grown(counted(model), counted(model, enable_lora="true"))[0]
    assert alone / 4 < grown(plain, sharded)[0] < grown(plain, whole)[0] < alone


def test_rank_and_throughput_mode():
    model = catalog_model("llama-3.1-8b-instruct").model
    with pytest.raises(Refusal) as caught:
        resolve_arguments(model, H200, VERSION, {"enable_lora": "true", "max_lora_rank": "24"})
    assert [(c.setting, c.value) for c in caught.value.changes] == [("max_lora_rank", 16)]
    twice = resolve_arguments(model, H200, VERSION, {"performance_mode": "throughput"})
    assert (twice.max_num_seqs, twice.max_num_batched_tokens) == (2048, 16384)


def test_states_in_16_bits_take_half():
    model = catalog_model("qwen3-next-80b-a3b-instruct").model
    assert isinstance(model.linear, LinearAttention)
    wide = model._replace(linear=model.linear._replace(state_unit=4))
    halved = effective_model(wide, {"mamba_ssm_cache_dtype": "float16"}).linear
    assert isinstance(halved, LinearAttention)
    assert halved.state_unit == 2
    with pytest.raises(Refusal, match="mamba_ssm_cache_dtype"):
        effective_model(wide, {"mamba_ssm_cache_dtype": "int8"})
