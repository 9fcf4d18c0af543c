"""What holds for every model, split and machine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import Engine, PlanRequest, Refusal, apply_changes, catalog_model, device, find_model, owned, plan
from planner.catalog.device import device_names
from planner.catalog.models import models
from planner.catalog.versions import vllm_version
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import memory
from planner.vllm.rules import check_split
from planner.vllm.weights import stage_weights

MODELS = st.sampled_from(sorted(set(models()) - {"deepseek-r1-q4-k-m-gguf"}))
SIZES = st.sampled_from([1, 2, 4, 8])
CLUSTERS = st.builds(owned, st.sampled_from(device_names()), SIZES, st.integers(1, 4))
CONTEXTS = st.sampled_from(["2048", "4096", "8192"])


def counted(model, split, machine, *, context):
    version = vllm_version("0.24.0")
    return memory(
        model, split, machine, version, resolve_arguments(model, machine, version, {"max_model_len": context})
    )


@settings(max_examples=60, deadline=None)
@given(MODELS, st.builds(Split, SIZES, SIZES), CONTEXTS, st.integers(8, 200), st.integers(1, 60))
def test_more_memory_never_turns_a_fit_into_a_refusal(name, split, context, gib, more):
    """The same batch defaults on both sides: at 70 and at 160 GiB the engine itself switches to larger ones."""
    model, version = catalog_model(name).model, vllm_version("0.24.0")
    machine = device("H100-80GB")._replace(total=gib * 2**30)
    larger = machine._replace(total=(gib + more) * 2**30)
    if any(machine.total < limit * 2**30 <= larger.total for limit in (70, 160)):
        return
    try:
        check_split(model, split, version)
        small = counted(model, split, machine, context=context)
    except Refusal:
        return
    assert counted(model, split, larger, context=context).kv_cache_tokens >= small.kv_cache_tokens


@settings(max_examples=60, deadline=None)
@given(MODELS, SIZES, SIZES)
def test_the_ranks_together_hold_at_least_the_model(name, tensor, pipeline):
    model, split = catalog_model(name).model, Split(tensor, pipeline)
    try:
        check_split(model, split)
    except Refusal:
        return
    whole = stage_weights(model, Split())[0].tensors
    assert sum(stage.tensors for stage in stage_weights(model, split)) * tensor >= whole


@settings(max_examples=40, deadline=None)
@given(MODELS, CLUSTERS, st.sampled_from([None, 2, 3, 5, 8, 16, 32]), st.sampled_from([1.0, 8.0]))
def test_a_refusals_own_suggestion_is_accepted_when_fed_back(name, cluster, tensor, concurrency):
    engine = Engine.VLLM_ASCEND if cluster.device.kind == "ascend" else Engine.VLLM
    request = PlanRequest(
        model=find_model(name),
        clusters=(cluster,),
        engine=engine,
        tensor_parallel_size=tensor,
        arguments={"max_model_len": "8192"},
        concurrency=concurrency,
    )
    try:
        plan(request)
    except Refusal as refusal:
        if "nearest that works" in refusal.remedy:
            plan(apply_changes(request, refusal.changes))


def test_a_suggestion_is_found_for_the_common_mistakes():
    """So that the property above isn't empty."""
    for tensor, machines in ((3, 2), (16, 1), (32, 4)):
        request = PlanRequest(
            model=find_model("qwen2.5-72b-instruct"),
            clusters=(owned("L20", 2, machines),),
            tensor_parallel_size=tensor,
            arguments={"max_model_len": "8192"},
        )
        with pytest.raises(Refusal, match="nearest that works") as caught:
            plan(request)
        assert caught.value.changes


@settings(max_examples=30, deadline=None)
@given(MODELS, SIZES)
def test_auto_context_always_serves_one_request_of_what_it_fits(name, tensor):
    model, version, machine = catalog_model(name).model, vllm_version("0.24.0"), device("H200-141GB")
    split = Split(tensor, 1)
    try:
        check_split(model, split, version)
        result = counted(model, split, machine, context="auto")
    except Refusal:
        return
    assert result.max_concurrency >= 1
    assert 1 <= result.max_model_len <= model.positions
