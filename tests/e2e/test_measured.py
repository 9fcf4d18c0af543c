"""Load on the real engine over two real machines, measured at `up` and once more by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.benchmark import LEVELS, record
from components.benchmark.levels import Level
from stacks import benchmark
from stacks.report.__main__ import main as report
from tests.support.deployment import Deployment

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("measured"), "tandemm", "10.81.0.0/24", ["node-0", "node-1"])
    made.config["serving"]["executor"] = "mp"  # what is measured is the engine, and Ray takes a processor of its own
    yield made
    made.close()


@pytest.fixture
def environment(deployment, monkeypatch):
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TANDEM_STATE", str(deployment.folder))
    return deployment


def test_the_first_completion_is_followed_by_a_load_beside_the_plan(environment):
    run = environment.up(timeout=2000, benchmark="quick").good()
    measured = environment.outputs()["measured"]
    print(json.dumps(measured, indent=1))
    assert run.text.index("answer-asked created") < run.text.index("node-0-benchmark-done created")
    assert measured["error"] == ""
    # Processors that are shared with others may be too slow for a level.
    assert len(measured["levels"]) + len(measured["missing"]) == 3
    for level in measured["levels"]:
        assert level["tokens_per_second"] > 0
        assert level["ttft_ms"] > 0
        assert level["itl_ms"] > 0
        assert level["planned"]["tokens_per_second"] > 0
        assert level["failed"] == 0
    assert measured["version"]
    assert measured["image"].startswith("sha256:")
    assert "measured (vllm " in run.text


def test_the_report_lies_where_the_output_says(environment):
    page = Path(environment.outputs()["report"]).read_text()
    for said in ("tokens/s", "since the last", "weights", "eth0", environment.outputs()["apiUrl"]):
        assert said in page


def test_an_up_without_changes_measures_nothing_again(environment):
    assert environment.up(benchmark="quick").good().changed() == set()


def test_a_benchmark_by_hand_is_compared_with_the_one_at_up(environment, monkeypatch, capfd):
    last = record.records("tandem-test")[0]["levels"][-1]
    level = Level(last["streams"], last["input_tokens"], last["output_tokens"], last["requests"])
    monkeypatch.setitem(LEVELS, "quick", (level,))
    environment.ssh("node-0", "true")  # writes the known hosts that the output names
    assert benchmark.main(["test", "--config-file", str(environment.config_file)]) == 0
    shown = capfd.readouterr()
    print(shown.out, shown.err)
    assert "than on" in shown.out or "as fast as on" in shown.out
    assert f"{level.streams} x {level.input_tokens} + {level.output_tokens} tokens, level 1 of 1" in shown.err
    assert len(record.records("tandem-test")) == 2
    assert record.records("tandem-test")[1]["levels"][0]["changed"]


def test_a_report_tells_what_runs_and_what_differs_from_the_declared_state(environment, capsys):
    environment.ssh("node-1", "docker rm --force tandem-test-node-1-engine")
    words = ["test", "--config-file", str(environment.config_file)]
    assert report(words) == 0
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert "node-1-engine" in page.partition("What differs")[2]
    assert "engine <small>running since" in page
    assert re.search(r"[+-]\d+\.\d %", page)
