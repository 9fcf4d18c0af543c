"""supervise.py: ranks of a group start together, end together, and come back together.

The engines here are small scripts; real engines under it are tested on the local machines.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import ROOT

SUPERVISE = ROOT / "components/serving/files/supervise.py"
ENGINE = "import sys,time,os; open(sys.argv[1],'a').write(f'{os.getpid()}\\n'); time.sleep(600)"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(condition, seconds=30.0):
    """Waits for a condition and returns what it gave; the bound is for a broken program only."""
    deadline = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)
    return got


class Ranks:
    """Supervisors on loopback, with an engine each that writes its process id."""

    def __init__(self, folder: Path, ranks: int, tokens: dict[int, str]) -> None:
        self.folder, self.ranks, self.port = folder, ranks, free_port()
        self.tokens = tokens
        self.processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, rank: int) -> None:
        token = self.folder / f"token-{rank}"
        token.write_text(self.tokens.get(rank, "t0ken"))
        group = [f"--ranks={self.ranks}", "--leader=127.0.0.1", f"--port={self.port}", f"--token={token}"]
        engine = [sys.executable, "-c", ENGINE, str(self.folder / f"pids-{rank}")]
        log = (self.folder / f"log-{rank}").open("a")
        self.processes[rank] = subprocess.Popen(
            [sys.executable, str(SUPERVISE), "--group=peers", f"--rank={rank}", *group, "--", *engine],
            stdout=log,
            stderr=log,
            text=True,
        )

    def pids(self, rank: int) -> list[int]:
        path = self.folder / f"pids-{rank}"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self, rank: int) -> str:
        return (self.folder / f"log-{rank}").read_text()

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(30)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def group(tmp_path):
    made = []

    def make(ranks, tokens=None):
        made.append(Ranks(tmp_path, ranks, tokens or {}))
        return made[-1]

    yield make
    for ranks in made:
        ranks.stop()


def test_no_engine_starts_before_the_group_is_whole(group):
    ranks = group(3)
    ranks.start(0)
    ranks.start(1)
    until(lambda: "2 of 3 ranks are here, waiting for [2]" in ranks.log(0))
    assert not ranks.pids(0)
    assert not ranks.pids(1)
    ranks.start(2)
    until(lambda: all(ranks.pids(r) for r in range(3)))


def test_the_leader_says_whose_engine_ended_first(group):
    ranks = group(2)
    for rank in (0, 1):
        ranks.start(rank)
    victim = until(lambda: ranks.pids(0) and ranks.pids(1) and ranks.pids(1)[0])
    os.kill(victim, signal.SIGKILL)
    until(lambda: "tandem: rank 1: engine exited" in ranks.log(0))


@pytest.mark.parametrize("victim", [0, 1])
def test_an_engine_that_dies_takes_the_group_down_and_up_again(group, victim):
    ranks = group(2)
    for rank in (0, 1):
        ranks.start(rank)
    first = until(lambda: ranks.pids(0) and ranks.pids(1) and [ranks.pids(0)[0], ranks.pids(1)[0]])
    os.kill(first[victim], signal.SIGKILL)
    until(lambda: len(ranks.pids(0)) > 1 and len(ranks.pids(1)) > 1)
    assert not any(alive(pid) for pid in first)


def test_a_supervisor_that_is_killed_is_missed_and_replaced(group):
    ranks = group(2)
    for rank in (0, 1):
        ranks.start(rank)
    until(lambda: ranks.pids(0) and ranks.pids(1))
    orphan = ranks.pids(1)[0]
    ranks.processes[1].kill()
    ranks.processes[1].wait()
    os.kill(orphan, signal.SIGKILL)  # in a container the engine goes with its supervisor
    until(lambda: "rank 1 was lost" in ranks.log(0))
    ranks.start(1)
    until(lambda: len(ranks.pids(0)) > 1 and len(ranks.pids(1)) > 1)


def test_a_stranger_without_the_token_is_no_rank(group):
    ranks = group(2, {1: "wrong"})
    ranks.start(0)
    ranks.start(1)
    until(lambda: "does not know the group's token" in ranks.log(0))
    assert not ranks.pids(0)


def test_stopping_ends_the_engine_with_the_supervisor(group):
    ranks = group(1)
    ranks.start(0)
    pid = until(lambda: ranks.pids(0))[0]
    ranks.stop()
    assert not alive(pid)
