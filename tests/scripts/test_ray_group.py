"""How a Ray cluster's other machines are made into reports; Ray's own program is a stand-in here that says what it saw.

The real one is tried on machines (tests/e2e/test_stalls.py).
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import until

sys.path.append(str(ROOT / "components/serving/files"))  # its modules import each other as they lie on the machine

import ray_group
import ray_watch
import stall_detector

MACHINES = {"10.0.0.1": "n0", "10.0.0.2": "n1"}
IDLE = {
    "counters": {"read": 0.0, "memory": 0.0, "seconds": 0.0},
    "pids": [7],
    "held": False,
    "busy": None,
    "where": "ray::Worker stands in step (model.py:3)",
}
HELD = {**IDLE, "held": True, "where": "raylet stands: it was stopped by a signal (SIGSTOP)"}


@pytest.fixture
def others(tmp_path, monkeypatch):
    made = []

    def make(*lines):
        program = tmp_path / "watch.py"
        said = [json.dumps(line) for line in lines]
        program.write_text(f"import time\nfor line in {said!r}: print(line, flush=True)\ntime.sleep(99)")
        monkeypatch.setattr(ray_group, "WATCH", program)
        made.append(ray_group.Others(MACHINES, "cpu"))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_a_process_that_is_stopped_there_is_reported_at_once_with_its_machine(others):
    watch = others({"10.0.0.2": HELD})
    (found,) = until(watch.reports)
    assert (found["rank"], found["machine"], found["kind"], found["where"]) == (1, "n1", "held", HELD["where"])


def test_a_node_that_gives_no_answer_is_one_that_stands(others):
    (found,) = until(others({"10.0.0.2": None}).reports)
    assert (found["rank"], found["kind"]) == (1, "held")
    assert "gives no answer" in found["where"]


def test_workers_without_a_sign_are_reported_after_their_time(others, monkeypatch):
    monkeypatch.setattr(stall_detector, "LIMIT", 0.1)
    monkeypatch.setattr(stall_detector, "SAMPLE", 0.0)
    (found,) = until(others({"10.0.0.2": IDLE}, {"10.0.0.2": IDLE}).reports)
    assert (found["rank"], found["kind"], found["where"]) == (1, "", IDLE["where"])


def test_a_cluster_that_says_nothing_is_the_first_machines(others, monkeypatch):
    monkeypatch.setattr(ray_group, "BEGINS", 0.1)
    (found,) = until(others().reports)
    assert (found["rank"], found["machine"], found["kind"]) == (0, "n0", "held")


def test_what_is_looked_at_on_a_node_is_what_the_stall_detector_says():
    found = ray_watch.looked((ROOT / "components/serving/files/stall_detector.py").read_text(), "cpu")
    assert set(found) == set(IDLE)
    assert json.loads(json.dumps(found)) == found
