"""What is made of a load on an engine: levels, records, comparisons; no engine and no machine."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shlex

import pytest

from components.benchmark import LEVEL_SECONDS, LEVELS, record
from components.benchmark.benchmark import FILES

SAVED = {  # vllm bench serve 0.32.0, shortened
    "duration": 2.627,
    "completed": 8,
    "failed": 0,
    "request_throughput": 3.0448,
    "output_throughput": 97.434,
    "total_token_throughput": 293.06,
    "median_ttft_ms": 416.39,
    "p99_ttft_ms": 548.48,
    "median_itl_ms": 25.9,
    "p99_itl_ms": 41.14,
}


spec = importlib.util.spec_from_file_location("benchmark_result", FILES / "benchmark_result.py")
assert spec and spec.loader
measured = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measured)


def run(*words):
    """The program's answer."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert measured.main([str(word) for word in words]) == 0
    return said.getvalue().strip()


@pytest.fixture
def levels(tmp_path):
    """What benchmark.sh has found when it is done."""
    (tmp_path / "facts.json").write_text(run("facts", "vllm", "quick"))
    (tmp_path / "version").write_text("0.32.0\n")
    alive = {"base": "http://127.0.0.1:8100/v1", "model": "m", "task": "", "folder": "/mnt/m"}
    (tmp_path / "liveness.json").write_text(json.dumps(alive))
    (tmp_path / "16x256+128.json").write_text(json.dumps(SAVED))
    return tmp_path


def result(folder, *why):
    words = shlex.split(run("result", folder, *why))
    assert len(words) == 1
    return json.loads(words[0].removeprefix("measured="))


def test_the_client_s_file_becomes_a_level(levels):
    (found,) = result(levels)["levels"]
    assert (found["streams"], found["input_tokens"], found["output_tokens"]) == (16, 256, 128)
    assert (found["tokens_per_second"], found["ttft_ms"], found["itl_ms"]) == (97.43, 416.39, 25.9)


def test_levels_come_by_number_and_not_by_letter(levels):
    for name in ("64x256+128", "1x256+128"):
        (levels / f"{name}.json").write_text(json.dumps(SAVED))
    assert [each["streams"] for each in result(levels)["levels"]] == [1, 16, 64]


def test_what_was_not_measured_says_why(levels):
    (levels / "64x256+128.why").write_text("384 tokens are too many\n")
    (levels / "1x256+128.why").write_text("")
    assert result(levels)["missing"] == {"64x256+128": "384 tokens are too many"}
    (levels / "16x256+128.json").write_text(json.dumps({**SAVED, "completed": 0}))
    found = result(levels)
    assert found["levels"] == []
    assert "16x256+128: no request was answered" in found["error"]


def test_an_engine_that_can_t_be_measured_says_so_by_name(levels):
    assert result(levels, "ollama's is not measured")["error"] == "ollama's is not measured"


@pytest.mark.parametrize(
    ("seconds", "load"),
    [(1000, "192 256 128"), (130, "99 256 128"), (50, "64 256 128"), (30, "64 128 64"), (1, "64 32 16")],
)
def test_a_fast_engine_gets_all_requests_and_a_slow_one_a_round_of_shorter_ones(levels, seconds, load):
    assert run("requests", levels, 64, 256, 128, 192, seconds) == load


def test_prompts_are_as_short_as_the_engine_takes(levels, monkeypatch):
    monkeypatch.setattr(measured, "serving", lambda _: ["/mnt/m", "--max-model-len=512"])
    assert run("requests", levels, 16, 1024, 128, 64, 1000) == "64 256 128"
    with pytest.raises(ValueError, match="are more than its maximum of 100"):
        monkeypatch.setattr(measured, "serving", lambda _: ["/mnt/m", "--max-model-len=100"])
        measured.requests(levels, [16, 1024, 128, 64], 1000)


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        ("", ""),
        ("Starting\n  0%|     | 0/8 [00:00<?, ?it/s]\r", ": 0 % (0 of 8 requests), ? left"),
        ("\r 12%|█  | 1/8 [00:01<00:09]\r 62%|██ | 5/8 [00:02<00:01]", ": 62 % (5 of 8 requests), 00:01 left"),
    ],
)
def test_the_clients_bar_is_read_while_it_moves(tmp_path, bar, said):
    (tmp_path / "log").write_text(bar)
    assert run("progress", tmp_path / "log") == said


def test_a_client_that_failed_says_why_in_its_own_words(tmp_path):
    (tmp_path / "log").write_text("Traceback ...\n  File x\nValueError: no model of that name\n[rank0] ended\n")
    assert run("reason", tmp_path / "log") == "ValueError: no model of that name"


def test_the_engines_arguments_are_seen_without_keys_and_those_of_the_tokenizer_handed_on(tmp_path):
    for pid, words in {
        "1": ["bash"],
        "7": [
            "/opt/vllm/bin/python3",
            "/opt/vllm/bin/vllm",
            "serve",
            "/mnt/m",
            "--port=8100",
            "--api-key",
            "secret",
            "--max-model-len=512",
            "--tokenizer-mode",
            "mistral",
            "--trust-remote-code",
            "--api-key=secret",
        ],
    }.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text("\0".join(words) + "\0")
    found = measured.serving("8100", tmp_path)
    assert found == [
        "/mnt/m",
        "--port=8100",
        "--max-model-len=512",
        "--tokenizer-mode",
        "mistral",
        "--trust-remote-code",
    ]
    assert measured.passed_on(found) == ["--tokenizer-mode=mistral", "--trust-remote-code"]
    assert measured.limit(found) == 512


@pytest.fixture
def kept(monkeypatch, tmp_path):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))

    def keep(date, rate, **changes):
        level = {
            "streams": 16,
            "input_tokens": 256,
            "output_tokens": 128,
            "requests": 64,
            "failed": 0,
            "seconds": 9.0,
            "tokens_per_second": rate,
            "requests_per_second": 1.0,
            "ttft_ms": 100.0,
            "ttft_p99_ms": 200.0,
            "itl_ms": 10.0,
            "itl_p99_ms": 20.0,
        }
        facts = {"date": date, "engine": "vllm", "mode": "quick", "tool": "vllm bench serve", "version": "0.32.0"}
        measured = {**facts, "image": "", "arguments": [], "error": "", "missing": {}, "levels": [{**level, **changes}]}
        return record.save("t-s", measured, lambda level: {"tokens_per_second": min(50.0 * level["streams"], 600.0)})

    return keep


def test_a_record_is_compared_with_the_one_before_it(kept):
    first = kept("2026-11-28T10:00:00Z", 200.0)
    assert (first["compared"], first["levels"][0]["changed"]) == ({}, {})
    second = kept("2026-11-29T10:00:00Z", 150.0)
    assert second["compared"]["date"] == "2026-11-28T10:00:00Z"
    assert second["levels"][0]["changed"] == {"tokens_per_second": -25.0, "ttft_ms": 0.0, "itl_ms": 0.0}
    assert record.lines(second)[0].endswith("25 % slower than on 2026-11-28")
    assert record.records("t-s") == [first, second]


def test_the_same_measurement_again_is_the_same_record(kept):
    kept("2026-11-28T10:00:00Z", 200.0)
    assert kept("2026-11-28T10:00:00Z", 200.0)["compared"] == {}
    assert len(record.records("t-s")) == 1


def test_another_length_is_not_compared(kept):
    kept("2026-11-27T10:00:00Z", 100.0)
    shortened = kept("2026-11-28T10:00:00Z", 200.0, input_tokens=64)
    assert (shortened["compared"], shortened["levels"][0]["changed"]) == ({}, {})
    again = kept("2026-11-29T10:00:00Z", 200.0)
    assert again["compared"]["date"] == "2026-11-27T10:00:00Z", "the last that has this length"
    assert again["levels"][0]["changed"]["tokens_per_second"] == 100.0


@pytest.mark.parametrize(("streams", "bound"), [(1, 50.0), (4, 200.0), (64, 600.0)])
def test_the_plans_bound_is_that_of_so_many_requests(kept, streams, bound):
    found = kept("2026-11-28T10:00:00Z", 30.0, streams=streams)
    assert found["levels"][0]["planned"] == {"tokens_per_second": bound}
    assert f"plan: at most {bound:,.1f}; {100 * 30 / bound:.0f} %" in record.lines(found)[0]


def test_a_record_is_for_its_owner_alone(kept, tmp_path):
    kept("2026-11-28T10:00:00Z", 200.0)
    (file,) = (tmp_path / "measured/t-s/benchmarks").iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_a_look_at_what_would_be_writes_nothing(levels, monkeypatch, tmp_path):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    assert record.save("t-s", result(levels), lambda _: {}, written=False)["levels"]
    assert not (tmp_path / "state").exists()


def test_a_level_is_given_up_before_the_step_is():
    assert all(level.streams <= level.requests for levels in LEVELS.values() for level in levels)
    assert {level.streams for level in LEVELS["quick"]} == {1, 16, 64}
    assert set(LEVEL_SECONDS) == set(LEVELS)
