"""TensorRT-LLM's rules, each counted by hand, and beside what its logs said. Nothing is fitted to these."""

import json

import pytest

from planner import (
    Engine,
    PlanRequest,
    Refusal,
    ReservedEstimate,
    Split,
    Unplanned,
    apply_changes,
    catalog_model,
    counted_flags,
    device,
    find_plans,
    flag,
    from_flags,
    owned,
    plan,
    processors,
)
from planner.__main__ import main
from planner.catalog.models import model_config
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.model.entry import ModelEntry
from planner.tensorrt_llm.arguments import serve_arguments
from planner.tensorrt_llm.estimate import shared_arguments
from planner.tensorrt_llm.memory import Rank, counted_split, serve_memory
from planner.vllm.weights import stage_weights

GIB = 2**30
KIMI_NVFP4 = model_config("kimi-k2-instruct") | {
    "max_position_embeddings": 262144,
    "quantization_config": {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "kv_cache_quant_algo": "FP8",
        "exclude_modules": ["*self_attn*", "lm_head"],
    },
}
REPORTS = {
    # A log of 1.2.1 on one of eight H100, Qwen3-Reranker-0.6B (the shape of Qwen3-0.6B), no arguments.
    "qwen3-0.6b-h100": ("qwen3-0.6b", "H100-80GB", 1, {}, {"gib": 68.69, "tokens": 643136}, 0.01),
    # A report of 1.3.0rc7 on 8 x B300 of 275 GB: Kimi-K2.5 in NVFP4 (Kimi-K2's text model; its vision tower isn't
    # counted here), KV cache in FP8, 262,144 tokens.
    "kimi-k2.5-8xb300": (KIMI_NVFP4, "B300", 8, {}, {"gib": 166.02, "tokens": 5073376}, 0.04),
    # A log of 1.1.0rc3 on a GB10, whose memory is the system's too: only what lies inside PyTorch compares.
    "gpt-oss-120b-gb10": (
        "gpt-oss-120b",
        "GB10",
        1,
        {"max_batch_size": "64"},
        {"weights": 63.52, "activations": 0.85},
        0.06,
    ),
}
"""Model, GPU, how many, arguments, what was logged, and how near the plan must be."""

PEAKS = {
    "llama-3.1-8b": ("none", "H100-80GB", 18.6),
    "llama-3.1-8b-fp8": ("FP8", "H100-80GB", 12.0),
    "llama-3.1-8b-nvfp4": ("NVFP4", "B200", 10.2),
}
"""Most GiB at the peak by TensorRT-LLM's own tests (tests/integration/defs/test_e2e.py, _check_mem_usage), without the
cache, with 1 GiB outside PyTorch."""


def counted(name, gpu, tensor=1, **given):
    model = catalog_model(name).model if isinstance(name, str) else parse_model(name)
    cluster, split = owned(gpu, tensor, 1), Split(tensor)
    serve = serve_arguments(model, split, given)
    arguments = shared_arguments(model, cluster, "0.24.0", serve)
    own = counted_split(model, split, serve)
    return serve_memory(model, own, cluster.device, vllm_version("0.24.0"), arguments, serve=serve)


def request(name="qwen3-8b", gpu="H100", each=1, machines=1, **rest):
    model = catalog_model(name) if isinstance(name, str) else ModelEntry("own", parse_model(name), None)
    return PlanRequest(model, (owned(gpu, each, machines),), engine=Engine.TENSORRT_LLM, **rest)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_memory_is_as_logs_said(report):
    name, gpu, tensor, given, said, near = report
    memory = counted(name, gpu, tensor, **given)
    rank = memory.ranks[0]
    found = {
        "gib": rank.kv_cache / GIB,
        "tokens": memory.kv_cache_tokens,
        "weights": rank.weights / GIB,
        "activations": rank.activations / GIB,
    }
    for what, value in said.items():
        assert found[what] == pytest.approx(value, rel=near), (what, found)


@pytest.mark.parametrize("peak", PEAKS.values(), ids=PEAKS)
def test_peaks_are_below_what_its_own_tests_allow(peak):
    algorithm, gpu, most = peak
    config = model_config("llama-3.1-8b-instruct")
    if algorithm != "none":
        config |= {"quantization_config": {"quant_method": "modelopt", "quant_algo": algorithm}}
    rank = counted(config, gpu).ranks[0]
    assert most - 3 < (rank.weights + rank.activations) / GIB + 1 <= most


def test_the_cache_is_a_share_of_what_is_free_after_all_else():
    """By hand: Qwen3-8B has 36 layers x 8 heads x 128 x 2 x 2 bytes a token, 144 KiB."""
    memory = counted("qwen3-8b", "H100-80GB", kv_cache_free_gpu_memory_fraction="0.5")
    rank = memory.ranks[0]
    free = rank.total - rank.weights - rank.activations - rank.overhead - rank.graphs
    blocks = -(-int(free * 0.5 // (144 * 1024)) // 32)
    assert memory.kv_cache_tokens == 32 * blocks
    assert rank.kv_cache == memory.kv_cache_tokens * 144 * 1024
    # Two shares of one machine have the same to share: in a log of 1.2.1, 9.06 GiB at 0.9 and 2.52 at 0.25.
    assert counted("qwen3-8b", "H100-80GB").ranks[0].kv_cache == pytest.approx(rank.kv_cache / 0.5 * 0.9, rel=1e-4)
    assert pytest.approx(2.52 / 0.25, rel=2e-3) == 9.06 / 0.9


def test_limits_by_hand_make_the_cache_smaller_and_not_larger():
    whole = counted("qwen3-8b", "H100-80GB").kv_cache_tokens
    assert counted("qwen3-8b", "H100-80GB", max_tokens="10000").kv_cache_tokens == 10016  # 313 blocks of 32
    assert counted("qwen3-8b", "H100-80GB", max_tokens="99999999").kv_cache_tokens == whole
    assert counted("qwen3-8b", "H100-80GB", max_gpu_total_bytes=str(GIB)).kv_cache_tokens == 7296  # 7,281.8 up
    assert counted("qwen3-8b", "H100-80GB", tokens_per_block="64").kv_cache_tokens % 64 == 0


def test_the_trial_run_has_as_many_tokens_as_logs_said():
    """8,192 tokens and two more in blocks of 32 are 8,224, in logs of 1.1 and 1.2; 0.56 GiB of gpt-oss-120b."""
    model = catalog_model("gpt-oss-120b").model
    serve = serve_arguments(model, Split(), {"max_batch_size": "64"})
    arguments = shared_arguments(model, owned("GB10", 1, 1), "0.24.0", serve)
    (held,) = stage_weights(model, Split())
    rank = Rank(model, Split(), device("GB10"), vllm_version("0.24.0"), arguments, serve, held)
    assert rank.token == 73728
    assert rank.temporary == 8224 * 73728


def test_attention_ranks_have_whole_attention_and_all_tokens_of_each_other():
    """DeepSeek-R1 on eight ranks: the same bytes a token each, so eight times the requests; attention isn't cut."""
    cut = plan(request("deepseek-r1", "H200", 8, tensor_parallel_size=8, arguments={"ep_size": "8"})).estimate
    whole = plan(
        request(
            "deepseek-r1",
            "H200",
            8,
            tensor_parallel_size=8,
            arguments={
                "ep_size": "8",
                "enable_attention_dp": "true",
                "max_num_tokens": "2048",
            },
        )
    ).estimate
    assert isinstance(cut, ReservedEstimate)
    assert isinstance(whole, ReservedEstimate)
    assert whole.memory.ranks[0].weights > cut.memory.ranks[0].weights
    assert whole.kv_ranks == 8
    assert whole.max_concurrency == pytest.approx(8 * whole.memory.max_concurrency)
    assert whole.split == Split(8, 1)
    assert any("each rank has KV cache of its own" in note for note in whole.notes)


def test_stages_that_do_not_divide_give_the_first_ones_more_layers():
    found = plan(request("qwen2.5-72b-instruct", "L40S", 3, 2, tensor_parallel_size=1, pipeline_parallel_size=6))
    assert isinstance(found.estimate, ReservedEstimate)
    assert [rank.layers for rank in found.estimate.memory.ranks] == [
        (0, 14),
        (14, 28),
        (28, 41),
        (41, 54),
        (54, 67),
        (67, 80),
    ]


def test_copied_heads_are_taken_for_smaller_than_they_are():
    """Four KV heads on eight ranks: a rank has one, is sized by half of it, and the other limit decides."""
    memory = counted("qwen3-30b-a3b", "H100-80GB", 8)
    rank = memory.ranks[0]
    token = 48 * 1 * 128 * 2 * 2
    free = rank.total - rank.weights - rank.overhead - rank.graphs
    assert memory.kv_cache_tokens == pytest.approx(free * 0.9 / token, abs=32)


def test_states_are_made_for_every_request_of_a_step():
    few = counted("qwen3-next-80b-a3b-instruct", "H200", 2, max_batch_size="64")
    many = counted("qwen3-next-80b-a3b-instruct", "H200", 2, max_batch_size="256")
    assert many.ranks[0].activations - few.ranks[0].activations > 0
    with pytest.raises(Refusal, match=r"states \d+\.\d GiB") as caught:
        plan(request("qwen3-next-80b-a3b-instruct", "H20-96GB", 2, tensor_parallel_size=2))
    assert caught.value.changes[0].setting == "max_batch_size"
    again = request("qwen3-next-80b-a3b-instruct", "H20-96GB", 2, tensor_parallel_size=2)
    assert plan(apply_changes(again, caught.value.changes))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request("deepseek-r1-awq", "H100", 8, 2), "TensorRT-LLM 1.2 doesn't read"),
        (request("qwen3-8b", "V100-32GB"), r"TensorRT-LLM needs 8\.0"),
        (request("qwen3-32b-fp8", "A100-80GB"), r"fp8 weights need 8\.9"),
        (request("qwen3-8b", arguments={"max_num_batched_tokens": "8192"}), "no argument of TensorRT-LLM's"),
        (request("qwen3-8b", arguments={"kv_cache_free_gpu_memory_fraction": "1.5"}), r"is '1\.5'; nearest"),
        (request("qwen3-30b-a3b", "H100", 4, tensor_parallel_size=4, arguments={"ep_size": "3"}), "doesn't divide"),
        (request("deepseek-r1", "H100", 8, 1), r"GiB of weights|leave"),
        (request("qwen3-8b", "Ascend-910B-64GB"), "doesn't run on"),
    ],
)
def test_what_it_cannot_do_is_refused(asked, said):
    with pytest.raises(Refusal, match=said):
        plan(asked)


def test_processors_are_not_planned():
    with pytest.raises(Unplanned, match="no build for processors"):
        plan(PlanRequest(catalog_model("qwen3-8b"), (processors(65536, 1, 1),), engine=Engine.TENSORRT_LLM))


def test_splits_that_are_open_are_chosen_among_those_that_it_can_start():
    found = find_plans(request("qwen2.5-72b-instruct", "L20", 2, 2, choose_data_parallel=True)).plans
    assert found
    assert {each.estimate.split.data for each in found} == {1}
    assert found[0].estimate.split == Split(2, 2)


def test_the_command_line_plans_it(capsys):
    main(
        [
            "plan",
            "--engine",
            "tensorrt-llm",
            "--model",
            "deepseek-r1",
            "--gpu",
            "H20-96GB",
            "--gpus-per-machine",
            "8",
            "--machines",
            "2",
            "--tensor-parallel-size",
            "16",
            "--context",
            "32768",
            "--set",
            "ep_size=16",
            "--json",
        ]
    )
    found = json.loads(capsys.readouterr().out)
    assert found["engine"] == "tensorrt-llm"
    assert found["memory"]["kv_cache_tokens"] > 0
    assert any("not measured" in note for note in found["notes"])


def test_its_flags_have_underscores():
    words = ["--kv_cache_free_gpu_memory_fraction", "0.8", "--max_batch_size=64", "--trust_remote_code"]
    found, others = from_flags(words, counted_flags(Engine.TENSORRT_LLM))
    assert found == {"kv_cache_free_gpu_memory_fraction": "0.8", "max_batch_size": "64"}
    assert others == ("trust_remote_code",)
    assert [flag(name) for name in ("max_num_tokens", "max_num_seqs")] == ["--max_num_tokens", "--max-num-seqs"]
