"""run.sh's long steps: launched as a unit and polled. systemd is two stand-ins: a unit runs at once, to its end."""

import os
import subprocess
from pathlib import Path

import pytest

from components.remote.payload import FILES, render_environment


class LongStep:
    """A long step as it lies on a machine, where no unit is ever seen running."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder / "stack/steps/try/0123"
        self.dir.mkdir(parents=True)
        self.programs = folder / "bin"
        self.programs.mkdir()
        self._program("systemctl", "exit 3")
        self._program("systemd-run", 'while [[ $1 == --* ]]; do shift; done; exec "$@"')
        for name in ("run.sh", "lib.sh"):
            (self.dir / name).write_bytes((FILES / name).read_bytes())
        (self.dir / "env").write_text(render_environment({}))

    def _program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (self.programs / name).chmod(0o755)

    def script(self, text: str) -> None:
        (self.dir / "step.sh").write_text(f'. "$TANDEM_DIR/lib.sh"\n{text}\n')

    def run(self, what: str) -> list[str]:
        done = subprocess.run(
            ["bash", str(self.dir / "run.sh"), what],
            env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout.splitlines()


@pytest.fixture
def step(tmp_path):
    return LongStep(tmp_path)


def test_a_failure_is_told_once_and_then_tried_again(step):
    """The next `pulumi up` only polls: what failed must run again, with the secrets it had."""
    step.script("fail 'the disk is full; free some'")
    step.run("launch")
    assert step.run("poll")[:2] == ["failed", "the disk is full; free some"]
    step.script("result a=1")
    assert step.run("poll") == ["running", "started again after a failure"]
    assert step.run("poll") == ["finished", "a=1"]


def test_a_success_is_told_as_often_as_it_is_asked_for(step):
    step.script("echo >>$TANDEM_DIR/runs; result a=1")
    step.run("launch")
    assert [step.run("poll") for _ in range(2)] == [["finished", "a=1"]] * 2
    assert (step.dir / "runs").read_text() == "\n"


def test_a_unit_that_a_reboot_took_away_is_started_again(step):
    step.script("result a=1")
    assert step.run("poll") == ["running", "started again after an interruption"]
    assert step.run("poll") == ["finished", "a=1"]
