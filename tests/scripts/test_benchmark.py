"""benchmark.sh with a client of the test's own in the place of `vllm bench serve`, at `up` and by hand over SSH.

The real client is tried in tests/e2e/test_measured.py; the arguments here are those that it took.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from components.benchmark import LEVELS, record
from components.benchmark.benchmark import FILES
from components.benchmark.levels import Level
from stacks import benchmark
from stacks.load_settings import parse
from tests.scripts.native_step import Step
from tests.support.engine import RunningEngine
from tests.support.settings import values

CLIENT = """
[ "$1 $2" = "bench serve" ] || exit 2
for word in "$@"; do
  case $word in --*=*) name=${word%%=*} name=${name#--}; declare "${name//-/_}=${word#*=}" ;; esac
done
printf '\\r  0%%|          | 0/%s [00:00<?, ?it/s]' "$num_prompts" >&2
[ ! -e "@FAIL@" ] || { echo "ValueError: $(cat "@FAIL@")" >&2; exit 1; }
printf '%s\\n' "$@" >>"@CALLS@"
cat >"$result_dir/$result_filename" <<JSON
{"duration": 2.5, "completed": $num_prompts, "failed": 0, "request_throughput": 3.0, "output_throughput": 90.0,
 "total_token_throughput": 300.0, "median_ttft_ms": 41.2, "p99_ttft_ms": 54.8, "median_itl_ms": 2.6, "p99_itl_ms": 4.1}
JSON
"""
SUPERVISOR = """import os, sys
os.environ["PATH"] = "@BIN@:" + os.environ["PATH"]
words = [word.replace("/tandem", sys.argv[2] + "/files") for word in sys.argv[3:]]
os.execvp(words[0], words)
"""
"""Stand-in of process_supervisor.py: a program in the engine's surroundings."""


@pytest.fixture
def engine():
    running = RunningEngine()
    yield running
    running.close()


@pytest.fixture
def step(tmp_path, engine):
    """A machine with a native engine on it, and the client."""
    made = Step(tmp_path)
    client = CLIENT.replace("@FAIL@", str(tmp_path / "fail")).replace("@CALLS@", str(tmp_path / "calls"))
    made.program("vllm", client)
    process = made.home / "processes/node-0-engine"
    (process / "files").mkdir(parents=True)
    (process / "process_supervisor.py").write_text(SUPERVISOR.replace("@BIN@", str(made.programs)))
    alive = {"base": f"http://127.0.0.1:{engine.port}/v1", "model": "m", "task": "chat", "folder": "/mnt/m"}
    (process / "files/liveness.json").write_text(json.dumps(alive))
    (made.dir / "benchmark_result.py").write_bytes((FILES / "benchmark_result.py").read_bytes())
    return made


def measured(step, **changes):
    variables = {
        "CONTAINER": "node-0-engine",
        "CONTAINERS": "1",
        "ENGINE": "vllm",
        "MODE": "quick",
        "LEVEL_SECONDS": "45",
    }
    variables |= {"LEVELS": "1:64:16:2 16:64:16:16", "ARGUMENTS_KNOWN": "yes"}
    found, error = step.run(FILES / "benchmark.sh", **{**variables, **changes})
    assert error == ""
    return json.loads(found["measured"])


def test_every_level_is_measured_by_the_engines_own_client(step, tmp_path):
    found = measured(step)
    assert (found["error"], found["missing"]) == ("", {})
    levels = [
        (each["streams"], each["requests"], each["tokens_per_second"], each["ttft_ms"]) for each in found["levels"]
    ]
    assert levels == [(1, 2, 90.0, 41.2), (16, 16, 90.0, 41.2)]
    words = (tmp_path / "calls").read_text()
    for word in (
        "--model=/mnt/m",
        "--served-model-name=m",
        "--random-input-len=64",
        "--ignore-eos",
        "--max-concurrency=16",
    ):
        assert word in words
    assert len(set(re.findall(r"--seed=\d+", words))) == 2, "the engine remembers prompts"
    assert "arguments" not in found


def test_a_client_that_fails_is_named_and_nothing_fails(step, tmp_path):
    (tmp_path / "fail").write_text("the tokenizer is not there")
    found = measured(step)
    assert found["levels"] == []
    assert "1x64+16: ValueError: the tokenizer is not there" in found["error"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ENGINE": "ollama"}, "ollama is not measured"),
        ({"CONTAINER": "node-1-engine"}, "the engine (node-1-engine) does not run"),
    ],
)
def test_what_can_t_be_measured_says_so(step, changes, why):
    assert why in measured(step, **changes)["error"]


def test_a_model_that_makes_no_text_is_not_measured(step):
    alive = step.home / "processes/node-0-engine/files/liveness.json"
    alive.write_text(json.dumps({**json.loads(alive.read_text()), "task": "embedding"}))
    assert "a model for embedding is not measured" in measured(step)["error"]


def test_by_hand_the_machine_that_has_the_engine_is_asked_over_ssh(step, tmp_path, monkeypatch, capfd):
    """`ssh` is a program of the test's own that runs what it is sent here; on node-1 the script has found no engine."""
    step.home.rename(tmp_path / "tandem-t")
    ssh = step.program("ssh", 'case $* in *root@node-1*) exit 3 ;; esac; for last; do :; done; exec sh -c "$last"')
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    native = {"runtime": "native", "native": {"folder": str(tmp_path)}, "storage": {"path": "/d"}}
    monkeypatch.setattr(benchmark, "settings_of", lambda *_: parse(values(**native)))
    monkeypatch.setattr(benchmark, "machines_of", lambda _: {"node-1": "ssh root@node-1", "node-0": "ssh root@node-0"})
    monkeypatch.setitem(LEVELS, "quick", (Level(1, 64, 16, 2),))
    assert benchmark.main(["t"]) == 0
    (file,) = (tmp_path / "state/measured/tandem-t/benchmarks").iterdir()
    kept = json.loads(file.read_text())
    file.unlink()  # as if it had been long ago: two of one second are one
    file.with_name("2026-01-01T000000Z.json").write_text(json.dumps({**kept, "date": "2026-01-01T00:00:00Z"}))
    capfd.readouterr()
    assert benchmark.main(["t"]) == 0
    said = capfd.readouterr()
    assert "1 stream of 64 + 16 tokens: 90.0 tokens/s" in said.out
    assert said.out.strip().endswith("as fast as on 2026-01-01")
    assert "benchmark: 1 x 64 + 16 tokens, level 1 of 1" in said.err
    assert len(record.records("tandem-t")) == 2
