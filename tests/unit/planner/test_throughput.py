"""Ranges of tokens a second beside what engines were measured at."""

from itertools import chain

import pytest

from planner import PlanRequest, ReservedEstimate, catalog_model, owned, plan, render
from planner.catalog.throughput import measurements
from planner.catalog.versions import vllm_version
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import memory
from planner.vllm.throughput import MARGIN, MARGIN_ELSEWHERE, PROMPT, STREAMS, measured_roof, shares_of

MEASURED = measurements()
DENSE = [each for each in MEASURED if catalog_model(each.model).model.experts is None]


def held(low: float, value: float, high: float) -> bool:
    return low <= value <= high


@pytest.mark.parametrize("measured", MEASURED, ids=lambda each: f"{each.model}-{each.gpu}")
def test_ranges_hold_at_contexts_that_nothing_was_taken_from(measured):
    """Shares are of prompts of 1,024 tokens; rows of longer ones are here to judge them."""
    roof, _ = measured_roof(measured)
    shares = shares_of([measured], MARGIN, elsewhere=False)
    longer = [row for row in measured.rows if row.prompt != PROMPT]
    assert longer
    for row in longer:
        decode = shares.decode_span(roof, row.streams, row.context)
        assert held(decode.low, row.decode, decode.high), (row, decode)


@pytest.mark.parametrize("left_out", DENSE, ids=lambda each: f"{each.model}-{each.gpu}")
def test_a_model_is_within_the_range_that_the_others_give(left_out):
    """As if it, or its GPU, had not been measured."""
    shares = shares_of([each for each in DENSE if each is not left_out], MARGIN_ELSEWHERE, elsewhere=True)
    roof, batch = measured_roof(left_out)
    for row in left_out.rows:
        decode = shares.decode_span(roof, row.streams, row.context)
        prefill = shares.prefill_span(roof, row.streams, row.prompt, batch)
        assert held(decode.low, row.decode, decode.high), (row, decode)
        assert held(prefill.low, row.prefill, prefill.high), (row, prefill)


def test_a_plan_tells_four_ranges_and_whose_they_are():
    said = {}
    for gpu in ("H200", "L20"):
        found = plan(PlanRequest(catalog_model("qwen3-8b"), (owned(gpu, 1, 1),), arguments={"max_model_len": "8192"}))
        assert isinstance(found.estimate, ReservedEstimate)
        rates = found.estimate.throughput.rates
        assert [rate.streams for rate in rates] == list(STREAMS)
        assert all(0 < span.low < span.high for span in chain(*((rate.decode, rate.prefill) for rate in rates)))
        said[gpu] = render(found)
    assert "as measured with vLLM 0.24.0 on H200-141GB" in said["H200"]
    assert "carried over from" in said["L20"]


@pytest.mark.parametrize("measured", [each for each in MEASURED if each.kv_cache_tokens], ids=lambda each: each.model)
def test_memory_of_what_was_measured_is_as_the_engine_logged_it(measured):
    """Weights within 0.1 %, tokens of KV cache within 0.2 %; the engine ran as `vllm.LLM` without prefix caching."""
    model, device = catalog_model(measured.model).model, owned(measured.gpu, 1, 1).device
    version = vllm_version(measured.version)
    given = {"max_model_len": "16384", "enable_prefix_caching": "false"}
    found = memory(
        model, Split(), device, version, resolve_arguments(model, device, version, given, "offline")
    ).as_dict()
    assert found["weights_gib_per_gpu"] == pytest.approx(measured.weights_gib, rel=0.001)
    assert found["kv_cache_tokens"] == pytest.approx(measured.kv_cache_tokens, rel=0.002)
