"""early_start.py: machines are rented by numbers that are there for programs, and never by a line that people read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import until

SCRIPT = ROOT / "components/weights/files/early_start.py"


class Waiting:
    """The script, waiting beside a step of the weights that says what a test has it say."""

    def __init__(self, folder: Path) -> None:
        self.weights = folder / "steps/weights/0123"
        self.here = folder / "steps/weights-early-start/4567"
        self.here.mkdir(parents=True)
        environment = {**os.environ, "TANDEM_DIR": str(self.here), "TANDEM_HOME": str(folder), "SECONDS_BEFORE": "60"}
        self.process = subprocess.Popen([sys.executable, str(SCRIPT)], env=environment)

    def says(self, **state: object) -> None:
        self.weights.mkdir(parents=True, exist_ok=True)
        new = self.weights / "new"
        new.write_text(json.dumps({"verb": "downloading", "done": 50, "total": 100, "rate": 1.0, **state}))
        new.replace(self.weights / "progress.json")

    def status(self) -> str:
        path = self.here / "status"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def waiting(tmp_path):
    started = Waiting(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_it_waits_for_the_number_whatever_the_line_says(waiting):
    until(lambda: "not begun" in waiting.status())
    waiting.says(seconds_left=600.0)
    (waiting.weights / "status").write_text("downloading some/model: 99 % of 700 GB, 1 GB/s, 3 s left\n")
    until(lambda: "600 s left" in waiting.status())
    assert waiting.process.poll() is None
    waiting.says(seconds_left=59.0)
    assert waiting.process.wait(20) == 0
    assert (waiting.here / "result").read_text() == "left=59\n"


@pytest.mark.parametrize(
    "state", [{"seconds_left": None}, {"seconds_left": 1.0, "done": 0}, {"seconds_left": 1.0, "verb": "verifying"}]
)
def test_a_rate_that_means_nothing_yet_rents_nothing(waiting, state):
    waiting.says(**state)
    until(lambda: "not begun" in waiting.status())
    (waiting.here / "status").unlink()
    until(lambda: "not begun" in waiting.status())
    assert waiting.process.poll() is None


def test_it_ends_with_the_download_and_with_its_failure(waiting, tmp_path):
    waiting.says(seconds_left=600.0)
    (waiting.weights / "result").write_text("folder=x\n")
    assert waiting.process.wait(20) == 0
    (tmp_path / "other").mkdir()
    failed = Waiting(tmp_path / "other")
    failed.weights.mkdir(parents=True)
    (failed.weights / "error").write_text("the hub knows no model x\n")
    assert failed.process.wait(20) == 1
    assert (failed.here / "error").read_text() == "the weights could not be downloaded: the hub knows no model x\n"
