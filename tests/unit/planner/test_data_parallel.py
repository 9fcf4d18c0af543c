"""Data-parallel ranks: what they share (routed experts), what each has (attention, KV cache), where they can lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner import Engine, Refusal, ReservedEstimate, place_copies
from planner.catalog.versions import vllm_version
from planner.cluster import owned, processors, uneven
from planner.model.entry import catalog_model
from planner.page import page
from planner.parallelism import check_world_size
from planner.render import render
from planner.request import PlanRequest
from planner.search import apply_changes, plan
from planner.split import Split
from planner.vllm.rules import check_split
from planner.vllm.weights import stage_weights

MIXTRAL, DENSE = catalog_model("mixtral-8x7b-instruct"), catalog_model("qwen2.5-7b-instruct")
R1 = catalog_model("deepseek-r1")
QWEN3 = catalog_model("qwen3-235b-a22b-fp8")


def request_for(model=QWEN3, machines=2, **more):
    cluster = owned("H20-96GB", 8, machines)
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 1, "data_parallel_size": 2, **more}
    return PlanRequest(model, (cluster,), arguments={"max_model_len": "16384"}, **sizes)


def reserved(request):
    """The plan, and its estimate."""
    found = plan(request)
    assert isinstance(found.estimate, ReservedEstimate)
    return found, found.estimate


def spread(request):
    return replace(request, arguments={**request.arguments, "enable_expert_parallel": "true"})


@pytest.mark.parametrize("expert", [False, True])
def test_experts_are_shared_by_all_ranks_and_attention_by_none(expert):
    alone, many = (stage_weights(MIXTRAL.model, Split(2, 1, expert, data=n))[0] for n in (1, 4))
    assert many.routed * 4 == alone.routed
    assert many.tensors - many.routed == alone.tensors - alone.routed


def test_the_ranks_of_a_dense_model_have_all_of_it():
    one, four = (stage_weights(DENSE.model, Split(2, 1, data=n))[0] for n in (1, 4))
    assert one == four


def test_a_plan_counts_the_requests_of_all_ranks_and_says_so():
    (_, one), (found, two) = (
        reserved(spread(request_for(machines=1, data_parallel_size=1))),
        reserved(spread(request_for())),
    )
    assert two.memory.max_concurrency > one.memory.max_concurrency, "half of the experts"
    assert two.max_concurrency == 2 * two.memory.max_concurrency
    assert two.throughput.most == 2 * one.throughput.most
    assert "TP8 x PP1 x DP2, experts spread (EP16)" in render(found)
    assert "on each of 2 data parallel ranks" in render(found)
    assert "DP1 PP0 TP7" in page(found, [found])


def test_activations_hold_the_tokens_of_all_ranks():
    one, eight = (
        reserved(spread(request_for(machines=1, tensor_parallel_size=8 // n, data_parallel_size=n)))[1].memory.ranks[0]
        for n in (1, 8)
    )
    assert eight.activations > one.activations


def test_experts_that_cannot_be_cut_are_to_be_spread():
    """1536 / 16 = 96 is no whole block of 128; on versions that refine blocks it may be."""
    with pytest.raises(Refusal) as caught:
        plan(request_for())
    assert caught.value.code == "block_not_whole"
    assert plan(apply_changes(request_for(), caught.value.changes)).estimate.split.expert_parallel
    check_split(QWEN3.model, Split(8, data=2), vllm_version("0.33.0"))


@pytest.mark.parametrize(
    ("model", "split", "code"),
    [
        (DENSE, Split(2, expert_parallel=True), "no_experts"),
        (MIXTRAL, Split(4, expert_parallel=True, data=4), "experts_not_divisible"),
        (MIXTRAL, Split(1, data=3), "intermediate_not_divisible"),
        (MIXTRAL, Split(1, data=0), "size_not_positive"),
    ],
)
def test_what_cannot_be_split_so_is_refused(model, split, code):
    with pytest.raises(Refusal) as caught:
        check_split(model.model, split)
    assert caught.value.code == code
    assert caught.value.remedy


def test_copies_of_experts_are_counted_and_make_equal_parts():
    """256 + 32 experts on 16 ranks are 18 each; with 30 more they can't be shared equally."""
    one, more = (stage_weights(R1.model, Split(1, 1, expert_parallel=True, data=16, redundant=n))[0] for n in (0, 32))
    assert more.routed * 16 == one.routed * 18
    given = {"enable_eplb": "true", "eplb_config": '{"num_redundant_experts": 30}'}
    request = spread(request_for(R1, tensor_parallel_size=1, data_parallel_size=16))
    with pytest.raises(Refusal, match="286 experts can't be shared"):
        plan(replace(request, arguments={**request.arguments, **given}))


@pytest.mark.parametrize(
    ("version", "machines", "works"),
    [
        ("0.8.5", (8, 8), "0.9.2"),
        ("0.9.2", (8, 8), None),
        ("0.11.0", (4, 4, 4, 4), "0.12.0"),
        ("0.12.0", (4,) * 4, None),
    ],
)
def test_versions_before_data_parallelism_name_the_first_that_has_it(version, machines, works):
    cluster = owned("H20-96GB", machines[0], len(machines))
    request = replace(spread(request_for()), clusters=(cluster,), engine_version=version)
    if works is None:
        assert plan(request)
        return
    with pytest.raises(Refusal) as caught:
        plan(request)
    assert (caught.value.code, caught.value.changes[0].value) == ("engine_too_old", works)


def test_sglang_shares_experts_equally_and_has_no_attention_ranks_for_dense_models():
    dense = replace(request_for(DENSE, tensor_parallel_size=4, data_parallel_size=4), engine=Engine.SGLANG)
    with pytest.raises(Refusal, match="this one is dense"):
        plan(dense)
    six = owned("H20-96GB", 6, 1)
    uneven_share = replace(
        spread(request_for(tensor_parallel_size=1, data_parallel_size=6)), clusters=(six,), engine=Engine.SGLANG
    )
    with pytest.raises(Refusal) as caught:
        plan(uneven_share)
    assert caught.value.code == "experts_not_divisible"


def test_too_few_accelerators_name_sizes_that_use_all():
    with pytest.raises(Refusal) as caught:
        check_world_size(8, 1, 16, data_parallel_size=3)
    sizes = [int(change.value) for change in caught.value.changes]
    assert sizes[0] * sizes[1] * sizes[2] == 16


@pytest.mark.parametrize(
    ("split", "machines", "placed"),
    [
        ((1, 1, 2), (1, 1), (1, 1)),
        ((2, 1, 8), (8, 8), (4, 4)),
        ((8, 1, 2), (8, 8), (1, 1)),
        ((4, 1, 3), (8, 4), (2, 1)),  # uneven machines
        ((16, 1, 2), (8, 8, 8, 8), (1, 0, 1, 0)),  # each on two machines
        ((2, 4, 2), (8, 8), (1, 1)),
    ],
)
def test_each_rank_lies_whole(split, machines, placed):
    assert place_copies(split[0], split[1], split[2], machines) == placed


@pytest.mark.parametrize(("split", "machines"), [((4, 1, 2), (6, 2)), ((3, 1, 4), (4, 4, 4)), ((6, 1, 2), (4, 4, 4))])
def test_a_rank_with_parts_of_two_machines_is_refused_with_sizes_that_can_be(split, machines):
    with pytest.raises(Refusal) as caught:
        place_copies(split[0], split[1], split[2], machines)
    assert caught.value.code == "copies_not_whole"
    works = [int(change.value) for change in caught.value.changes]
    assert sum(place_copies(works[0], works[1], works[2], machines)) == works[2]
    assert works[0] * works[1] * works[2] == sum(machines)


def test_machines_of_different_gpus_are_counted_by_the_smaller_one():
    cluster = uneven([(1, "L20"), (1, "A10")])
    request = PlanRequest(
        DENSE,
        (cluster,),
        arguments={"max_model_len": "4096"},
        tensor_parallel_size=1,
        pipeline_parallel_size=1,
        data_parallel_size=2,
    )
    assert reserved(request)[1].memory.ranks[0].total == min(d.total for d in cluster.devices)


def on_processors(model, **more):
    sizes = {"tensor_parallel_size": 1, "pipeline_parallel_size": 1, "data_parallel_size": 2, **more}
    return PlanRequest(model, (processors(262144, 1, 2),), engine_version="0.32.0", whole=True, **sizes)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (on_processors(MIXTRAL), ("data_parallel_size", "is 2", "has no all_gatherv")),
        (spread(on_processors(MIXTRAL)), ("enable_expert_parallel", "is true", "take no expert map")),
        (
            spread(on_processors(MIXTRAL, tensor_parallel_size=2, data_parallel_size=1)),
            ("enable_expert_parallel", "is true", "take no expert map"),
        ),
    ],
)
def test_vllm_has_no_ranks_that_share_experts_on_processors(request_, words):
    with pytest.raises(Refusal) as caught:
        plan(request_)
    assert caught.value.code == "experts_on_processors"
    assert all(word in f"{caught.value.setting}: {caught.value.reason}" for word in words)
    mended = plan(apply_changes(request_, caught.value.changes)).estimate.split
    assert (mended.data, mended.expert_parallel, mended.world_size) == (1, False, 2)


def test_dense_models_have_data_parallel_ranks_on_processors_too():
    assert plan(on_processors(DENSE)).estimate.split.data == 2


def test_a_split_of_experts_chosen_on_processors_is_one_that_runs():
    free = on_processors(MIXTRAL, tensor_parallel_size=None, pipeline_parallel_size=None, data_parallel_size=1)
    chosen = plan(replace(free, choose_data_parallel=True)).estimate.split
    assert (chosen.data, chosen.expert_parallel) == (1, False)
