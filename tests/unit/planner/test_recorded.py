"""A model without rules is counted from the record of what the engine answered, which lies beside its config.json."""

import json

import pytest

from planner import PlanRequest, Refusal, find_model, owned, plan
from planner.__main__ import main
from planner.model.recorded import NAME
from planner.recorded import engine

CONFIG = {
    "architectures": ["NobodyKnowsForCausalLM"],
    "hidden_size": 1024,
    "num_attention_heads": 8,
    "num_hidden_layers": 4,
    "intermediate_size": 4096,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
}
TOKEN = 4096
LAYER = 50 * 2**20
TABLE = 32000 * 1024 * 2


def answer(case):
    """What engine_program.py writes for a model of four equal layers, every other of which slides."""
    if case["tensor"] == 8:
        return {"name": case["name"], "engine": "0.32.0", "refused": "9 heads"}
    part, stages = case["tensor"], []
    for stage in range(case["pipeline"]):
        layers = range(4) if case["pipeline"] == 1 else ([0], [1, 2], [3])[stage]
        tensors = [[i, f"model.layers.{i}.mlp.weight", LAYER // part] for i in layers]
        outside = [[None, "model.embed_tokens.weight", TABLE // part]] if stage == 0 else []
        kv = [[i, "sliding" if i % 2 else "full", TOKEN // part, 512 if i % 2 else None] for i in layers]
        stages.append({"tensors": outside + tensors, "kv": kv})
    return {"name": case["name"], "engine": "0.32.0", "stages": stages}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder with config.json and the record that the command wrote from the engine's answers."""
    monkeypatch.setattr(engine, "engine_answers", lambda _python, cases: [answer(case) for case in cases])
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert main(["record", "--config", str(tmp_path), "--engine-python", "python3"]) == 0
    return tmp_path


def planned(folder, **given):
    request = PlanRequest(
        find_model(str(folder)),
        (owned("L20", 8, 1),),
        engine_version="0.33.0",
        arguments={"max_model_len": "4096"},
        **given,
    )
    return plan(request).estimate


@pytest.mark.parametrize(("tensor", "pipeline"), [(1, 1), (2, 1), (4, 2)])
def test_weights_and_kv_cache_are_the_records(model, tensor, pipeline):
    ranks = planned(model, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline).memory.ranks
    assert len(ranks) == pipeline
    whole = 4 * LAYER + TABLE
    # The allocator rounds each tensor to 2 MiB, and smaller ones share 20.
    assert sum(rank.weights for rank in ranks) == pytest.approx(whole / tensor, rel=0.05)


def test_sizes_that_the_engine_was_not_asked_for_or_refuses_are_refused(model):
    with pytest.raises(Refusal, match=r"TP3 isn't in the engine's record, which has 1, 2, 4; nearest that works"):
        planned(model, tensor_parallel_size=3, pipeline_parallel_size=1)
    with pytest.raises(Refusal, match=r"vLLM 0.32.0 says: 9 heads"):
        planned(model, tensor_parallel_size=8, pipeline_parallel_size=1)


def test_a_record_that_is_no_record_is_named(model):
    (model / NAME).write_text('{"ranks": {"1": 3}}')
    with pytest.raises(Refusal, match=r"engine-record.json: .*write it again: python -m planner record"):
        find_model(str(model))


def test_without_a_record_the_command_that_makes_one_is_named(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert main(["memory", "--config", str(tmp_path), "--gpu-memory-mib", "49140"]) == 2
    assert "python -m planner record --config FILE --engine-python PYTHON" in capsys.readouterr().err


def test_an_engine_that_does_not_run_is_a_refusal(tmp_path):
    with pytest.raises(Refusal, match=r"nothing/python didn't answer.*name a Python that can import vLLM"):
        engine.record(str(tmp_path / "nothing" / "python"), CONFIG, ["1"])
