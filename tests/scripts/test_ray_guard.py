"""ray_guard.py ends what is stopped of Ray's own processes, so that Ray is started again; all else it leaves alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import until

GUARD = ROOT / "components/ray/files/ray_guard.py"


@pytest.fixture
def ray(tmp_path):
    """A stand-in of `ray start --block`: `raylet` behind it, which it waits for, and a worker."""
    for name in ("raylet", "worker"):
        shutil.copy("/bin/sleep", tmp_path / name)
    program = f"{tmp_path}/worker 600 & {tmp_path}/raylet 600; exit 7"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, GUARD, "bash", "-c", program], stdout=log, start_new_session=True)
    yield process, tmp_path
    with_it = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False).stdout
    for pid in with_it.split():
        os.kill(int(pid), signal.SIGKILL)
    process.wait(10)


def pid_of(folder, name):
    def found():
        return subprocess.run(["pgrep", "-f", f"^{folder}/{name} "], capture_output=True, text=True, check=False).stdout

    return int(until(found).split()[0])


def test_a_raylet_that_is_stopped_is_ended_and_ray_with_it(ray):
    process, folder = ray
    os.kill(pid_of(folder, "raylet"), signal.SIGSTOP)
    assert process.wait(60) == 7
    assert "raylet was stopped for 10 s (SIGSTOP)" in (folder / "log").read_text()


def test_a_worker_that_is_stopped_is_not_its_business(ray):
    """The engine's supervisor finds that one by its tokens."""
    process, folder = ray
    os.kill(pid_of(folder, "worker"), signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(15)


def test_it_ends_as_ray_does(ray):
    process, folder = ray
    os.kill(pid_of(folder, "raylet"), signal.SIGKILL)
    assert process.wait(30) == 7
