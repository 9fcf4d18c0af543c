"""A run that is cut off leaves nothing on this host: no process, machine, bridge, cloud or depot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from localcloud import caretaker
from localcloud.system.processes import ProcessRecord, wait_until
from localcloud.system.runs import MARK, Run, own, runs
from tests.support.paths import ROOT

pytestmark = pytest.mark.root

NET, PUBLIC, BRIDGE = "10.81.7", "100.64.81", "tandemcare"
SECONDS = 60


def links():
    shown = subprocess.run(["ip", "-brief", "address"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if BRIDGE in line or f"{NET}." in line or f"{PUBLIC}." in line]


@pytest.fixture
def run(tmp_path):
    """A run in a process of its own, with one thing of each kind made."""
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    words = [sys.executable, "-m", "tests.support.owning", str(tmp_path), BRIDGE, NET, PUBLIC]
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        said = process.stdout.readline()
        assert said == "made\n", process.stderr.read()
        made = next(each for each in runs() if each.owner.pid == process.pid)
        yield process, made
        process.kill()
        caretaker.clear(made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_all_of_it_goes_with_the_run(run, number):
    process, made = run
    assert len(links()) >= 2, "the site's bridge and the cloud's public address were there"
    assert len(list(made.processes())) == 2, "its depot and its cloud were there"
    process.send_signal(number)
    assert wait_until(lambda: not made.folder.exists(), SECONDS), (made.folder / "caretaker.log").read_text()
    assert links() == []
    assert list(made.processes()) == []


def test_who_starts_next_finds_nothing_of_a_run_whose_caretaker_was_killed_too(run):
    process, made = run
    ProcessRecord.load(made.caretaker).signal(signal.SIGKILL)
    process.kill()
    process.wait()
    assert links()
    caretaker.sweep()
    assert links() == []
    assert list(made.processes()) == []


def test_a_run_that_lives_is_left_alone(run):
    _, made = run
    caretaker.sweep()
    assert made.folder.exists()
    assert links()


def test_only_processes_with_the_very_mark_belong_to_a_run(monkeypatch):
    monkeypatch.setenv(MARK, os.environ.get(MARK, ""))
    mine = own()
    stranger = Run(f"{mine.mark}0")
    with subprocess.Popen(["sleep", "60"]) as child:
        assert [process.pid for process in mine.processes()] == [child.pid]
        assert list(stranger.processes()) == []
        child.kill()
