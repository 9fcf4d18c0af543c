"""A step whose caller has gone: found again by the next one, or ended with all it started, and never beside itself."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from components.machine.payload import FILES, pack
from tests.support.supervised import alive
from tests.support.waiting import until

WAITS = """
echo x >>"$TANDEM_HOME/runs"
sleep 600 & echo $! >"$TANDEM_HOME/child"
until [[ -e $TANDEM_HOME/go ]]; do sleep 0.05; done
kill $!
result secret=$KEY
"""


class Deliveries:
    """Steps as `remote.Command` delivers them, on a machine without systemd's help."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.home = folder / "stack"
        self.home.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "systemctl").write_text("#!/bin/sh\nexit 3\n")
        (programs / "systemctl").chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self.callers: list[subprocess.Popen[str]] = []

    def deliver(self, script: str, *, version: str = "0123", key: str = "one") -> subprocess.Popen[str]:
        own = {name: (FILES / name).read_bytes() for name in ("run.sh", "lib.sh")}
        step = f'. "$TANDEM_DIR/lib.sh"\n{script}'.encode()
        words = ["bash", "-c", (FILES / "receive.sh").read_text(), "receive", "stack", "try", version, "sync"]
        caller = subprocess.Popen(
            [*words, str(self.base)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )
        self.callers.append(caller)
        assert caller.stdin
        caller.stdin.write(pack({**own, "step.sh": step}, {"KEY": key}))
        caller.stdin.close()
        return caller

    def cut_off(self, caller: subprocess.Popen[str]) -> int:
        """The caller goes once the step runs; returns what the step has started."""
        child = self.home / "child"
        until(lambda: child.exists() and child.read_text().strip())
        os.killpg(caller.pid, signal.SIGKILL)
        caller.wait()
        pid = int(child.read_text())
        assert alive(pid)
        return pid

    def says(self, caller: subprocess.Popen[str]) -> str:
        assert caller.stdout and caller.stderr
        said = caller.stdout.read()
        assert caller.wait(timeout=30) == 0, caller.stderr.read()
        return said

    def go(self) -> None:
        (self.home / "go").touch()

    @property
    def runs(self) -> int:
        return len((self.home / "runs").read_text().splitlines())


@pytest.fixture
def deliveries(tmp_path):
    made = Deliveries(tmp_path)
    yield made
    made.go()
    for caller in made.callers:
        caller.kill()
        caller.wait()
    for run in made.home.glob("steps/*/*/run.sh"):
        subprocess.run(["bash", str(run), "end"], env=made.environment, timeout=60, check=False)


def test_the_same_step_is_found_again_and_its_result_reported(deliveries):
    deliveries.cut_off(deliveries.deliver(WAITS))
    again = deliveries.deliver(WAITS)
    with pytest.raises(subprocess.TimeoutExpired):
        again.wait(timeout=0.5)  # it waits for the one that runs
    deliveries.go()
    assert deliveries.says(again) == "secret=one\n"
    assert deliveries.runs == 1
    assert not list(deliveries.home.glob("steps/*/.incoming*"))


@pytest.mark.parametrize("other", [{"key": "two"}, {"version": "4567", "key": "two"}], ids=["secret", "version"])
def test_a_step_that_has_changed_meanwhile_ends_the_one_that_runs(deliveries, other):
    """A secret is no part of the version, so the same version may have come with another."""
    child = deliveries.cut_off(deliveries.deliver(WAITS))
    changed = deliveries.deliver("result secret=$KEY", **other)
    assert deliveries.says(changed) == "secret=two\n"
    assert not alive(child)


def test_what_was_cut_off_while_it_came_is_no_step(deliveries):
    words = ["bash", "-c", (FILES / "receive.sh").read_text(), "receive", "stack", "try", "0123", "sync"]
    done = subprocess.run([*words, str(deliveries.base)], input="H4sI", capture_output=True, text=True, check=False)
    assert done.returncode
    assert list(deliveries.home.glob("steps/try/*")) == []
    assert list(deliveries.home.glob("steps/try/.*")) == []


def test_a_failure_reported_to_pulumi_is_utf8(deliveries):
    failing = deliveries.deliver("printf 'caf\\351 \\377\\n'; fail \"$(printf 'the caf\\351 is closed')\"")
    assert failing.wait(timeout=30) == 1
    assert failing.stderr
    assert "the caf is closed" in failing.stderr.read()  # read strictly
