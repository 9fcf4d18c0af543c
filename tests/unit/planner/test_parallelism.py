"""Each rule: what it lets pass, what it refuses, and that its own remedy passes."""

import pytest

from planner import Refusal, catalog_model, parallelism
from planner.catalog.versions import vllm_version
from planner.split import Split
from planner.vllm.rules import check_split

RULES = [
    (lambda tp: parallelism.check_heads(28, tp), 4, 8, "heads_not_divisible"),
    (lambda tp: parallelism.check_kv_heads(8, tp), 16, 12, "kv_heads_not_divisible"),
    (lambda tp: parallelism.check_vocab(151936, tp), 2, 7, "vocab_not_divisible"),
    (lambda tp: parallelism.check_intermediate(18944, tp), 8, 3, "intermediate_not_divisible"),
    (lambda tp: parallelism.check_block_quantization(18432, tp, 128), 16, 32, "block_not_whole"),
    (lambda tp: parallelism.check_group_quantization(29568, tp, 128), 1, 8, "group_not_whole"),
]


@pytest.mark.parametrize(("rule", "fits", "fails", "code"), RULES[:5], ids=[r[3] for r in RULES[:5]])
def test_a_tensor_rule_passes_refuses_and_mends(rule, fits, fails, code):
    rule(fits)
    with pytest.raises(Refusal) as caught:
        rule(fails)
    assert caught.value.code == code
    (change,) = caught.value.changes
    assert change.setting == "tensor_parallel_size"
    rule(change.value)


def test_the_72b_awq_checkpoint_before_its_padding_has_no_split_that_works():
    """29568 = 231 x 128: Qwen padded it to 29696 for this reason."""
    with pytest.raises(Refusal) as caught:
        parallelism.check_group_quantization(29568, 8, 128)
    parallelism.check_group_quantization(29696, 8, 128)
    assert caught.value.changes[0].value == 7


@pytest.mark.parametrize(
    ("model", "works", "fails"),
    [
        ("deepseek-r1", 16, 32),
        ("qwen3-235b-a22b-fp8", 4, 8),
        ("qwen3-30b-a3b-fp8", 2, 4),
        ("qwen3-32b-fp8", 8, 16),
    ],
)
def test_the_derived_limits_of_fp8_checkpoints(model, works, fails):
    shapes, version = catalog_model(model).model, vllm_version("0.24.0")
    check_split(shapes, Split(works), version)
    with pytest.raises(Refusal, match="quantization block"):
        check_split(shapes, Split(fails), version)


def test_experts_spread_whole_lift_the_experts_limit():
    check_split(catalog_model("qwen3-235b-a22b-fp8").model, Split(8, 1, expert_parallel=True), vllm_version("0.24.0"))


def test_newer_engines_refine_the_experts_blocks():
    check_split(catalog_model("qwen3-235b-a22b-fp8").model, Split(8), vllm_version("0.33.0"))


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: parallelism.check_sizes(0, 1), "size_not_positive"),
        (lambda: parallelism.check_world_size(4, 4, 8), "too_few_accelerators"),
        (lambda: parallelism.check_nodes(2, 2, 3), "ranks_not_equal_on_nodes"),
        (lambda: parallelism.check_pipeline(28, 29), "more_stages_than_layers"),
        (lambda: parallelism.check_pipeline(28, 2, supported=False), "pipeline_not_supported"),
        (lambda: parallelism.check_experts(8, 16), "experts_not_divisible"),
        (lambda: parallelism.check_rpc_devices(16), "too_many_rpc_devices"),
        (lambda: Split(1, 2, partition=(10, 10)).stages(28), "bad_partition"),
    ],
)
def test_the_other_rules_refuse_with_a_reason_and_a_remedy(call, code):
    with pytest.raises(Refusal) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.reason
    assert caught.value.remedy
    assert caught.value.changes


def test_stages_are_cut_as_the_engine_cuts_them():
    """61 layers in 4: the layer that is left over goes to the last but one (get_pp_indices)."""
    assert [len(stage) for stage in Split(1, 4).stages(61)] == [15, 15, 16, 15]
    assert [len(stage) for stage in Split(1, 4).stages(62)] == [15, 16, 16, 15]
