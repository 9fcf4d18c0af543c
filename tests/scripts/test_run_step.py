"""run.sh and lib.sh: how a step runs, reports and fails. In a folder of the test's own, without systemd."""

import stat
import subprocess
from pathlib import Path

import pytest

from components.remote.payload import FILES, render_environment


class Step:
    """A step as it lies on a machine: HOME/steps/NAME/HASH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.dir = home / "steps" / "try" / "0123"

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "step.sh").write_text('. "$TANDEM_DIR/lib.sh"\n' + script)
        (self.dir / "env").write_text(render_environment(environment))
        for name in ("run.sh", "lib.sh"):
            (self.dir / name).write_bytes((FILES / name).read_bytes())
        return subprocess.run(
            ["bash", str(self.dir / "run.sh"), "sync"], capture_output=True, text=True, check=False, timeout=30
        )


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path / "stack")


def test_a_result_is_the_only_output(step):
    done = step.run("echo chatter; result a=1 b=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a=1 b=2\n", "")
    assert "chatter" in (step.dir / "log").read_text()


def test_a_failure_is_one_sentence_and_the_end_of_the_log(step):
    done = step.run("for i in $(seq 50); do echo line $i; done; fail 'the disk is full; free some'")
    assert done.returncode == 1
    assert done.stderr.startswith("the disk is full; free some\n")
    assert "line 50" in done.stderr
    assert "line 20\n" not in done.stderr


def test_a_command_that_fails_is_named(step):
    done = step.run("false")
    assert "'false' failed" in done.stderr


def test_a_step_that_takes_too_long_is_ended_and_says_so(step):
    done = step.run("sleep 30", TANDEM_TIMEOUT="1")
    assert "time limit" in done.stderr


def test_values_reach_the_script_unharmed(step):
    done = step.run('result got="$VALUE"', VALUE="a b'c\"d $HOME `x`")
    assert done.stdout == "got=a b'c\"d $HOME `x`\n"


def test_secrets_leave_the_disk_when_the_step_has_succeeded(step):
    step.run("true", KEY="secret-1")
    assert not any("secret-1" in p.read_text() for p in step.dir.iterdir())


def test_what_a_step_writes_is_for_root_only(step):
    step.run("result a=1; echo x > made")
    assert all(not stat.S_IMODE((step.dir / n).stat().st_mode) & 0o077 for n in ("log", "result", "exit"))


def test_undo_and_kept_are_written_once(step):
    step.run("undo 'rm -f /a'; undo 'rm -f /a'; kept 'the packages x'")
    step.run("undo 'rm -f /a'; undo 'rm -f /b'")
    assert (step.home / "undo").read_text() == "rm -f /a\nrm -f /b\n"
    assert (step.home / "kept").read_text() == "the packages x\n"


def test_a_result_survives_a_later_failure_only_as_a_failure(step):
    """A step that fails the second time must not report the first time's result."""
    step.run("result a=1")
    done = step.run("fail no")
    assert done.returncode == 1
    assert "a=1" not in done.stdout
