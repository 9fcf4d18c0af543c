"""Speculative decoding, adapters, KV cache and prefill as settings: each engine's own words, the plan, the rules."""

import json

import pytest

from planner import ReservedEstimate
from stacks.load_settings import parse
from stacks.planning import plan_for
from stacks.settings.engine_words import engine_words
from stacks.settings.errors import SettingsError
from stacks.settings.weights import placed_arguments
from tests.support.stack_files import read

MORE = [
    {"source": "modelscope", "id": "some/Qwen-head", "name": "head"},
    {"source": "modelscope", "id": "some/Law_LoRA"},
]
ALL = {
    "speculative": {"method": "eagle3", "model": "head", "tokens": 3},
    "lora": {"adapters": {"law": "some/Law_LoRA"}, "maxLoras": 2, "maxRank": 32},
    "kvCacheDtype": "fp8",
    "prefixCaching": False,
    "chunkedPrefill": False,
}


def settings(engine="vllm", more=MORE, **serving):
    config = read("dev")
    config["serving"] = {**config["serving"], "engine": engine, **serving}
    config["model"] = {**config["model"], "more": list(more)}
    return parse({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()})


def test_vllm_gets_its_own_arguments():
    assert engine_words(settings(**ALL, arguments=["--seed=1"])) == (
        '--speculative-config={"method": "eagle3", "model": "some/Qwen-head", "num_speculative_tokens": 3}',
        "--enable-lora",
        "--max-loras=2",
        "--max-lora-rank=32",
        "--lora-modules",
        "law=some/Law_LoRA",
        "--kv-cache-dtype=fp8",
        "--no-enable-prefix-caching",
        "--no-enable-chunked-prefill",
        "--seed=1",
    )


def test_sglang_gets_its_own_arguments():
    assert engine_words(settings("sglang", **ALL)) == (
        "--speculative-algorithm=EAGLE3",
        "--speculative-draft-model-path=some/Qwen-head",
        "--speculative-num-steps=3",
        "--speculative-eagle-topk=1",
        "--speculative-num-draft-tokens=4",
        "--enable-lora",
        "--max-loras-per-batch=2",
        "--max-lora-rank=32",
        "--lora-paths",
        "law=some/Law_LoRA",
        "--kv-cache-dtype=fp8_e4m3",
        "--disable-radix-cache",
        "--chunked-prefill-size=-1",
    )


def test_what_is_listed_is_named_by_its_folder():
    placed = placed_arguments(settings(**ALL))
    assert "some/" not in " ".join(placed)
    assert [word for word in placed if word.startswith("law=/")]


def test_nothing_is_said_where_nothing_is_set():
    assert engine_words(settings()) == ()


def test_the_plan_counts_them_for_either_engine():
    def counted(engine, **features):
        plan = plan_for(settings(engine, **features))
        assert plan is not None
        assert isinstance(plan.estimate, ReservedEstimate)
        return plan.estimate.memory

    for engine in ("vllm", "sglang"):
        plain, narrow = counted(engine), counted(engine, kvCacheDtype="fp8")
        adapted = counted(engine, lora={"maxLoras": 2, "maxRank": 32})
        assert narrow.kv_cache_tokens == pytest.approx(2 * plain.kv_cache_tokens, rel=0.01)
        assert adapted.deciding.weights > plain.deciding.weights + 2**28


@pytest.mark.parametrize(
    ("serving", "says", "changes"),
    [
        (
            {"engine": "llamacpp", "tensorParallelSize": 1, "kvCacheDtype": "fp8"},
            "serving.kvCacheDtype: is for vllm, vllm-ascend, sglang",
            {"serving.kvCacheDtype": None},
        ),
        (
            {"kvCacheDtype": "fp8", "arguments": ["--kv-cache-dtype=auto", "--seed=1"]},
            "serving.arguments: --kv-cache-dtype=auto: serving.kvCacheDtype says it already",
            {"serving.arguments": ["--seed=1"]},
        ),
        (
            {"kvCacheDtype": "fp8", "arguments": ["--kv-cache-dtype", "auto", "--seed", "1"]},
            "serving.arguments: --kv-cache-dtype: serving.kvCacheDtype says it already",
            {"serving.arguments": ["--seed", "1"]},
        ),
        (
            {"prefixCaching": True, "arguments": ["--no-enable-prefix-caching"]},
            "serving.arguments: --no-enable-prefix-caching: serving.prefixCaching says it already",
            {"serving.arguments": []},
        ),
        (
            {"speculative": {"method": "draft", "model": "some/other"}},
            "serving.speculative.model: some/other isn't listed in model.more",
            {},
        ),
        ({"speculative": {"method": "eagle"}}, "model: is missing; method eagle takes one", {}),
        ({"speculative": {"method": "ngram", "model": "head"}}, "model: method ngram takes none", {}),
        ({"lora": {"maxRank": 24}}, "serving.lora.maxRank", {}),
        ({"speculative": {"method": "mtp"}}, "has no multi-token-prediction layers", {}),
    ],
)
def test_what_does_not_go_together_is_refused(serving, says, changes):
    with pytest.raises(SettingsError) as caught:
        plan_for(settings(**serving))
    assert says in str(caught.value)
    assert caught.value.changes == changes
