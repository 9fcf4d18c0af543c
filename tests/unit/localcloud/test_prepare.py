"""What is made before `make up` and `make test`: in order, with its progress, and nothing said where all is there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from localcloud import prepare as preparing
from localcloud.errors import LocalCloudError
from localcloud.prepare import STACKS, TESTS, prepare


@pytest.fixture
def said(monkeypatch, tmp_path):
    monkeypatch.setattr(preparing, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(preparing, "AGAIN_SECONDS", 0.02)
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    return []


def test_what_takes_long_says_what_it_is_at_and_that_it_is_done(said, tmp_path):
    reported = threading.Event()

    def say(line):
        said.append(line)
        if "step 3 of 4" in line:
            reported.set()

    def make():
        (tmp_path / "machines").mkdir()
        (tmp_path / "machines/engine.log").write_text("step 3 of 4\n\n")
        assert reported.wait(10), "the log's last line is shown while it is made"
        return Path("/")

    prepare([("vLLM", "engine", make)], say)
    assert said[0].startswith("making vLLM: 0 s, ")
    assert said[-1].startswith("made vLLM in ")


def test_nothing_is_said_of_what_is_there(said, monkeypatch):
    monkeypatch.setattr(preparing, "QUIET_SECONDS", 600)
    prepare([("vLLM", "engine", lambda: Path("/"))], said.append)
    assert said == []


def test_a_step_that_fails_ends_it(said):
    def fail():
        raise LocalCloudError("no network")

    made = []

    def make():
        made.append(2)
        return Path("/")

    with pytest.raises(LocalCloudError, match="no network"):
        prepare([("one", "one", fail), ("two", "two", make)], said.append)
    assert made == []


def test_the_tests_get_all_that_the_stacks_get():
    assert TESTS[: len(STACKS)] == STACKS
