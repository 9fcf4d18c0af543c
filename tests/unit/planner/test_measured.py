"""Planned against measured on real GPUs, through the command that others script."""

import json
from pathlib import Path

import pytest

from planner.__main__ import main

MEASURED = json.loads(Path(__file__).with_name("measured_memory.json").read_text())
GOALS = {
    "weights_gib_per_gpu": 0.005,
    "kv_cache_tokens": 0.03,
    "max_concurrency": 0.05,
    "kv_cache_gib_per_gpu": 0.03,
}


def ask(tmp_path, capsys, row):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(MEASURED["models"][row["model"]]))
    given = [f"--set={name}={json.dumps(value)}" for name, value in row["engine_args"].items()]
    code = main(
        [
            "memory", "--config", str(config), "--gpu-memory-mib", str(MEASURED["gpus"][row["gpu"]]["total_mib"]),
            "--tensor-parallel-size", str(row["tensor_parallel_size"]),
            "--pipeline-parallel-size", str(row["pipeline_parallel_size"]),
            "--engine", "vllm", "--engine-version", "0.24.0", *given, "--json",
        ]
    )  # fmt: skip
    assert code == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("row", MEASURED["rows"], ids=lambda row: f"{row['model']}-{row['gpu']}")
def test_planned_memory_is_what_the_engine_reported(tmp_path, capsys, row):
    planned = ask(tmp_path, capsys, row)
    errors = {name: abs(planned[name] / row[name] - 1) for name in GOALS}
    assert {name: error for name, error in errors.items() if error > GOALS[name]} == {}


def test_the_call_gives_the_promised_keys_as_numbers(tmp_path, capsys):
    planned = ask(tmp_path, capsys, MEASURED["rows"][0])
    for name in ("weights_gib_per_gpu", "kv_cache_gib_per_gpu", "kv_cache_tokens", "max_concurrency"):
        assert isinstance(planned[name], int | float)


def test_a_server_profiles_smaller_batches_than_offline_use(tmp_path, capsys):
    """`vllm serve` defaults to half the batched tokens of `vllm.LLM`, so it keeps less free and caches more."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(MEASURED["models"]["dsv2-lite"]))
    kept = {}
    for usage in ("offline", "server"):
        call = ["memory", "--config", str(config), "--gpu-memory-mib", "81559", "--usage", usage, "--json"]
        assert main([*call, "--set", "enforce_eager=true", "--set", "max_model_len=16384"]) == 0
        kept[usage] = json.loads(capsys.readouterr().out)["kv_cache_tokens"]
    assert kept["server"] > kept["offline"]
