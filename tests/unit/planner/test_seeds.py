"""The seeds' own cases come out as they happened."""

import pytest

from planner import Engine, PlanRequest, Refusal, apply_changes, find_model, owned, plan, rented


def ask(model, cluster, **wanted):
    return plan(PlanRequest(model=find_model(model), clusters=(cluster,), **wanted))


def refused_with(model, cluster, **wanted):
    with pytest.raises(Refusal) as caught:
        ask(model, cluster, **wanted)
    return caught.value


THIRTY_TWO_3090 = owned("RTX-3090", per_machine=8, machines=4)


def test_r1_fp8_at_tp32_is_refused_for_its_blocks_and_a_plan_that_works_is_named():
    request = PlanRequest(
        model=find_model("deepseek-ai/DeepSeek-R1"), clusters=(THIRTY_TWO_3090,), tensor_parallel_size=32
    )
    with pytest.raises(Refusal) as caught:
        plan(request)
    assert caught.value.code == "block_not_whole"
    assert "576" in caught.value.reason
    assert "128" in caught.value.reason
    works = plan(apply_changes(request, caught.value.changes))
    split = works.estimate.split
    assert (works.request.model.name, split.tensor, split.pipeline) == ("deepseek-r1-awq", 8, 4)


def test_r1_awq_at_tp8_pp4_with_the_seeds_arguments_is_accepted():
    arguments = {
        "max_model_len": "4096",
        "kv_cache_dtype": "fp8",
        "max_num_seqs": "1",
        "gpu_memory_utilization": "0.90",
        "dtype": "float16",
    }
    works = ask(
        "deepseek-r1-awq", THIRTY_TWO_3090, tensor_parallel_size=8, pipeline_parallel_size=4, arguments=arguments
    )
    assert works.estimate.memory.max_concurrency >= 1


def test_r1_gguf_on_vllm_is_refused():
    refusal = refused_with("deepseek-r1-q4-k-m-gguf", THIRTY_TWO_3090, tensor_parallel_size=8, pipeline_parallel_size=4)
    assert refusal.code == "gguf_not_supported"


@pytest.mark.parametrize("machines", [2, 3])
def test_more_than_15_rpc_devices_are_refused(machines):
    """16 devices failed with the assertion of GGML_SCHED_MAX_BACKENDS, as 24 did."""
    refusal = refused_with("deepseek-r1-q4-k-m-gguf", owned("RTX-3090", 8, machines), engine=Engine.LLAMACPP)
    assert refusal.code == "too_many_rpc_devices"
    assert "15" in refusal.remedy


def test_72b_on_four_l20_at_tp2_pp2_is_accepted_with_its_whole_context():
    """The seed gave no --max-model-len: the model's own 32768 tokens fit once, and not three times."""
    cluster = rented("ecs.gn8is-2x.8xlarge", machines=2)
    works = ask("Qwen/Qwen2.5-72B-Instruct", cluster, tensor_parallel_size=2, pipeline_parallel_size=2)
    assert works.estimate.memory.max_model_len == 32768
    assert 1 <= works.estimate.memory.max_concurrency < 3


def test_v100_is_refused_for_a_current_engine():
    assert (
        refused_with("qwen2.5-7b-instruct", rented("ecs.gn6v-c8g1.2xlarge"), engine_version="0.33.0").code
        == "gpu_too_old"
    )


def test_r1_w8a8_needs_sixteen_ascend_npus():
    wanted = {"engine": Engine.VLLM_ASCEND, "arguments": {"max_model_len": "32768"}}
    refusal = refused_with("deepseek-r1-w8a8", owned("Ascend-910B-64GB", 8, 1), **wanted)
    assert refusal.code == "weights_too_large"
    works = ask("deepseek-r1-w8a8", owned("Ascend-910B-64GB", 8, 2), tensor_parallel_size=16, **wanted)
    assert works.estimate.split.tensor == 16


def test_an_npu_holds_two_buffers_of_each_group_that_the_profile_uses():
    """vllm_ascend/utils.py: 200 MiB, 50 of the data parallel group's; and a plan says that no NPU was measured."""

    def overhead(**sizes):
        arguments = {"max_model_len": "8192", **sizes.pop("arguments", {})}
        found = ask(
            "qwen3-30b-a3b",
            owned("Ascend-910B-64GB", 8, 1),
            engine=Engine.VLLM_ASCEND,
            pipeline_parallel_size=1,
            arguments=arguments,
            **sizes,
        )
        assert any("compared with no NPU" in note for note in found.notes)
        return found.estimate.memory.ranks[0].overhead // 2**20

    alone = overhead(tensor_parallel_size=2) - 400
    assert overhead(tensor_parallel_size=4) == alone + 400
    assert overhead(tensor_parallel_size=2, data_parallel_size=4) == alone + 400 + 100
    spread = {"enable_expert_parallel": "true"}
    assert overhead(tensor_parallel_size=2, data_parallel_size=4, arguments=spread) == alone + 400 + 100 + 400


def test_r1_fp8_runs_on_two_machines_of_eight_h20():
    works = ask("deepseek-r1", owned("H20-96GB", 8, 2), tensor_parallel_size=16, arguments={"max_model_len": "65536"})
    assert works.estimate.memory.max_concurrency >= 1
    assert any("spans machines" in note for note in works.notes)


def test_distilled_14b_runs_on_two_4090():
    arguments = {"max_model_len": "32768"}
    assert ask("deepseek-r1-distill-qwen-14b", owned("RTX-4090", 1, 2), tensor_parallel_size=2, arguments=arguments)
