"""SGLang's own rules, beside what its logs said elsewhere. Nothing is fitted to these."""

import pytest

from planner import Engine, PlanRequest, Refusal, ReservedEstimate, apply_changes, catalog_model, device, owned, plan
from planner.catalog.models import model_config
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.sglang.arguments import pool_arguments
from planner.sglang.memory import pool_memory
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import GIB, WHOLE_CONTEXT

QWEN3_14B = model_config("qwen3-32b") | {"intermediate_size": 17408, "num_hidden_layers": 40, "num_attention_heads": 40}
REPORTS = {
    # vllm-project/vllm issue 21348: --tp 4 --mem-fraction-static 0.93 on 4 H100; 8.23 GB of keys and of values.
    "qwen3-235b-4xh100": ("qwen3-235b-a22b-fp8", 4, "H100-80GB", None, 0.93, {"tokens": 367404, "gib": 16.46}),
    # sgl-project/sglang pull request 18263: 287.18 GB free before weights, 56.98 of these, 204.63 left.
    "qwen3-30b-288gb": ("qwen3-30b-a3b", 1, "B300", 287.18, 0.911, {"weights": 56.98, "gib": 204.63}),
    # xorbitsai/inference issue 3481: 47.24 GB free before weights, 27.57 of these; 7.00 GB of keys, of values. Version
    # 0.4.6 took 0.88 with one GPU.
    "qwen3-14b-48gb": (QWEN3_14B, 1, "L40S", 47.24, 0.88, {"weights": 27.57, "tokens": 91749, "gib": 14.0}),
}
"""Model, TP, GPU, GiB free before weights where the log says so, static share, and what was logged."""


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_pool_is_as_logs_said(report):
    """Weights within 1 %, the pool and its tokens within 2 %."""
    name, tensor, gpu, free, share, said = report
    model = catalog_model(name).model if isinstance(name, str) else parse_model(name)
    own = device(gpu)
    if free is not None:
        own = own._replace(total=int(free * GIB) + WHOLE_CONTEXT)
    version = vllm_version("0.24.0")
    arguments = resolve_arguments(model, own, version, {"max_model_len": "8192"})
    given = {"mem_fraction_static": str(share)}
    memory, _ = pool_memory(model, Split(tensor), own, version, arguments, given=given)
    rank = memory.ranks[0]
    found = {"weights": rank.weights / GIB, "tokens": memory.kv_cache_tokens, "gib": rank.kv_cache / GIB}
    for what, value in said.items():
        assert found[what] == pytest.approx(value, rel=0.01 if what == "weights" else 0.02), (what, found)


@pytest.mark.parametrize(
    ("gpu", "split", "share"),
    [
        # 81,559 - max(512 + 1.5 * 8,192 + 128 + 2 * 256 + 8 * 58, 10,240) of 81,559
        ("H100-80GB", Split(), 0.83),
        # 48 GB below TP4: 512 + 1.5 * 4,096 + 128 + 2 * 32 + 8 * 50
        ("L20", Split(), 0.843),
        # no graphs of prompts with stages
        ("L20", Split(2, 2), 0.843),
    ],
)
def test_the_static_share_left_out_is_by_the_gpu(gpu, split, share):
    """handle_gpu_memory_settings in srt/arg_groups/memory_hook.py, 0.5.23."""
    found = pool_arguments(catalog_model("qwen3-8b").model, split, device(gpu), {})
    assert found.fraction == pytest.approx(share, abs=0.001)


def test_a_share_that_is_too_small_is_refused_with_one_that_works():
    request = PlanRequest(
        catalog_model("qwen3-32b"),
        (owned("H100", 1, 1),),
        engine=Engine.SGLANG,
        arguments={"max_model_len": "4096", "mem_fraction_static": "0.7"},
    )
    with pytest.raises(Refusal, match=r"mem_fraction_static: is 0\.700") as caught:
        plan(request)
    found = plan(apply_changes(request, caught.value.changes))
    assert isinstance(found.estimate, ReservedEstimate)
    assert found.estimate.memory.max_concurrency >= 1
