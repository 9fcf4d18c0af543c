"""run.sh's long steps: launched as a unit and polled. systemd is two stand-ins: a unit runs at once, to its end."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from components.machine.payload import FILES, render_environment
from tests.support.supervised import alive
from tests.support.waiting import until


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


def test_a_failure_is_reported_once_and_then_tried_again(step):
    """The next `pulumi up` only polls: what failed must run again, with the secrets it had."""
    step.script("fail 'the disk is full; free some'")
    step.run("launch")
    assert step.run("poll")[:2] == ["failed", "the disk is full; free some"]
    step.script("result a=1")
    assert step.run("poll") == ["running", "started again after a failure"]
    assert step.run("poll") == ["finished", "a=1"]


def test_a_success_is_reported_as_often_as_it_is_asked_for(step):
    step.script("echo >>$TANDEM_DIR/runs; result a=1")
    step.run("launch")
    assert [step.run("poll") for _ in range(2)] == [["finished", "a=1"]] * 2
    assert (step.dir / "runs").read_text() == "\n"


def test_a_unit_that_a_reboot_took_away_is_started_again(step):
    step.script("result a=1")
    assert step.run("poll") == ["running", "started again after an interruption"]
    assert step.run("poll") == ["finished", "a=1"]


class StepWithoutSystemd(LongStep):
    """The same where no systemd is ours: systemctl and systemd-run would fail, and aren't asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program("systemctl", "exit 99")
        self._program("systemd-run", "exit 99")
        (folder / "stack/runtime").write_text("native\n")

    def wait(self) -> list[str]:
        lines: list[str] = []

        def ended() -> bool:
            lines[:] = self.run("poll")
            return lines[0] != "running"

        until(ended)
        return lines


@pytest.fixture
def own_session(tmp_path):
    made = StepWithoutSystemd(tmp_path)
    yield made
    made.run("end")


def test_without_systemd_a_step_runs_on_after_its_caller_and_is_watched(own_session):
    own_session.script("echo $BASHPID >$TANDEM_DIR/pid; until [[ -e $TANDEM_DIR/go ]]; do sleep 0.1; done; result a=1")
    own_session.run("launch")
    until((own_session.dir / "pid").exists)
    assert own_session.run("poll")[0] == "running"
    assert os.getsid(int((own_session.dir / "pid").read_text())) != os.getsid(0)
    # Asked for again while it runs: it goes on.
    pid = (own_session.dir / "pid").read_text()
    own_session.run("launch")
    (own_session.dir / "go").touch()
    assert own_session.wait() == ["finished", "a=1"]
    assert (own_session.dir / "pid").read_text() == pid


def test_without_systemd_a_step_that_was_cut_off_is_started_again(own_session):
    own_session.script("[[ -e $TANDEM_DIR/go ]] || { touch $TANDEM_DIR/began; sleep 600; }; result a=1")
    own_session.run("launch")
    until((own_session.dir / "began").exists)
    own_session.run("end")
    (own_session.dir / "go").touch()
    assert own_session.run("poll") == ["running", "started again after an interruption"]
    assert own_session.wait() == ["finished", "a=1"]


def test_without_systemd_another_version_ends_the_old_one_with_all_its_processes(own_session):
    own_session.script("sleep 600 & echo $! >$TANDEM_HOME/child; wait")
    own_session.run("launch")
    child = own_session.dir.parents[2] / "child"
    until(lambda: child.exists() and child.read_text().strip())
    pid = int(child.read_text())
    newer = own_session.dir.with_name("4567")
    shutil.copytree(own_session.dir, newer)
    old, own_session.dir = own_session.dir, newer
    own_session.script("result a=2")
    own_session.run("launch")
    assert own_session.wait() == ["finished", "a=2"]
    assert not old.exists()
    assert not alive(pid)


@pytest.mark.parametrize("how", ["launch", "sync"])
def test_without_systemd_a_step_runs_though_somebody_asks_for_it_as_it_begins(own_session, how):
    """Who asks holds the lock for a moment; here it's always the moment at which the step wants it."""
    flock = shutil.which("flock")
    own_session._program(
        "flock",
        f'[[ $1 == --close ]] || exec {flock} "$@"\n'
        f"coproc {{ {flock} --shared unit.lock sh -c 'echo held; sleep 1' 2>/dev/null; }}\n"
        f'read -r _ <&"${{COPROC[0]}}"\n'
        f'exec {flock} "$@"',
    )
    own_session.script("echo >>$TANDEM_DIR/runs; result a=1")
    own_session.run(how)
    until((own_session.dir / "exit").exists)
    assert own_session.run("poll") == ["finished", "a=1"]
    assert (own_session.dir / "runs").read_text() == "\n"
