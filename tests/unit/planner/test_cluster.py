"""Machines that differ are counted as they are; GPUs are known by any of their names."""

import pytest

from planner import PlanRequest, Refusal, device, find_model, owned, plan, render, uneven
from planner.catalog.device import device_of_memory
from planner.parallelism import nearest_splits

SEVENTY_TWO = find_model("qwen2.5-72b-instruct")


def ask(cluster, tensor, pipeline, **more):
    return plan(
        PlanRequest(
            more.pop("model", SEVENTY_TWO),
            (cluster,),
            engine_version="0.33.0",
            arguments={"max_model_len": "4096", **more.pop("arguments", {})},
            tensor_parallel_size=tensor,
            pipeline_parallel_size=pipeline,
            **more,
        )
    )


def test_four_and_two_are_six():
    found = ask(uneven([(4, "L20"), (2, "L20")]), 2, 3)
    assert found.cluster.accelerators == 6
    assert len(found.estimate.memory.ranks) == 3
    assert not any("spans machines" in note for note in found.notes)
    assert "2 machines with 4 x L20 and 2 x L20" in render(found)


def test_a_stage_over_two_uneven_machines_is_noted():
    found = ask(uneven([(3, "L40S"), (1, "L40S")]), 2, 2)
    assert any("spans machines (2 over 3 + 1)" in note for note in found.notes)


def test_each_stage_has_its_own_machines_gpu():
    """The large one takes the layers that the small one can't."""
    cluster = uneven([(2, "RTX-4090"), (1, "A100-80GB")])
    with pytest.raises(Refusal, match="of stage 0 would hold"):
        ask(cluster, 1, 3)
    found = ask(cluster, 1, 3, partition=(8, 8, 64), model=find_model("qwen2.5-72b-instruct-awq"))
    assert [round(rank.total / 2**30) for rank in found.estimate.memory.ranks] == [24, 24, 79]
    assert [rank.layers[1] - rank.layers[0] for rank in found.estimate.memory.ranks] == [8, 8, 64]


def test_a_partition_that_does_not_add_up_has_a_remedy():
    with pytest.raises(Refusal) as caught:
        ask(owned("L20", 2, 2), 1, 4, partition=(20, 20, 20, 21))
    assert caught.value.code == "bad_partition"
    assert "VLLM_PP_LAYER_PARTITION 20,20,20,20" in caught.value.remedy.replace(" to ", " ")


def test_weights_left_on_the_host_are_counted_and_reported():
    cluster = owned("RTX-4090", 4, 1)
    with pytest.raises(Refusal):
        ask(cluster, 4, 1)
    found = ask(cluster, 4, 1, arguments={"cpu_offload_gb": "18"})
    assert found.estimate.memory.ranks[0].weights < 18 * 2**30
    assert any("up to 72 GiB a machine" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("rtx-3090", "RTX-3090"),
        ("RTX3090", "RTX-3090"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA A800-SXM4-80GB", "A800-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-80GB"),
        ("H200", "H200-141GB"),
        ("NVIDIA H20", "H20-96GB"),
        ("Tesla V100-SXM2-32GB", "V100-32GB"),
        ("gb10", "GB10"),
        ("910b", "Ascend-910B-64GB"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("4090", "RTX-4090"),
        ("6000 ada", "RTX-6000-Ada"),
        ("A100 80G", "A100-80GB"),
        ("L20 48GB", "L20"),
        ("nvidia a10-24gb", "A10"),
        ("Ascend 910B3", "Ascend-910B-64GB"),
    ],
)
def test_a_gpu_is_known_by_what_it_is_called(name, known):
    assert device(name).name == known


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("A100", "A100-40GB"),
        ("RTX-5091", "RTX-5090"),
        ("L2", "L20"),
        ("H20-98GB", "H20-96GB"),
        ("RTX 4090 48GB", "RTX-4090"),
        ("3090 Ti", "RTX-3090"),
    ],
)
def test_one_that_is_not_there_has_its_likest(name, near):
    with pytest.raises(Refusal) as caught:
        device(name)
    assert near in caught.value.remedy


def test_the_nearest_of_equal_memories_is_taken():
    assert device_of_memory(23034).name == "L4"
    assert device_of_memory(23028).name == "A10"


def test_unified_memory_is_noted():
    found = ask(owned("GB10", 1, 2), 2, 1)
    assert any("0.8 leaves room" in note for note in found.notes)


@pytest.mark.parametrize(
    ("wanted", "count", "nearest"),
    [((1, 4), 3, (1, 3)), ((8, 2), 12, (6, 2)), ((4, 1), 16, (4, 4)), ((2, 2), 5, (1, 5))],
)
def test_the_nearest_split_uses_every_accelerator(wanted, count, nearest):
    tensor, pipeline = wanted
    found = nearest_splits(tensor, pipeline, count)
    assert found[0] == nearest
    assert all(tp * pp == count for tp, pp in found)
