"""rank_supervisor.py: ranks of a group start together, end together, and come back together.

The engines here are small scripts; real engines under it are tested on the local machines.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

SUPERVISE = ROOT / "components/serving/files/rank_supervisor.py"
sys.path.append(str(SUPERVISE.parent))  # its modules import each other as they lie on the machine

import rank_supervisor  # noqa: E402

ENGINE = "import sys,time,os; open(sys.argv[1],'a').write(f'{os.getpid()}\\n'); time.sleep(600)"


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
            [
                sys.executable,
                str(SUPERVISE),
                "--group=peers",
                f"--rank={rank}",
                *group,
                *self.more(rank),
                "--",
                *engine,
            ],
            env={**os.environ, "TANDEM_STALL_SECONDS": "3"},
            stdout=log,
            stderr=log,
            text=True,
        )

    def more(self, rank: int) -> list[str]:
        return [f"--machine=gpu-{rank}", *([] if rank else [f"--state={self.folder}"])]

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


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.long), 1])
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
    ranks.processes[1].kill()  # its guard, and so both
    ranks.processes[1].wait()
    until(lambda: not alive(orphan))
    until(lambda: "rank 1 was lost" in ranks.log(0))
    ranks.start(1)
    until(lambda: len(ranks.pids(0)) > 1 and len(ranks.pids(1)) > 1)


def supervisor_of(guard: subprocess.Popen[str]) -> int:
    return int(subprocess.run(["pgrep", "-P", str(guard.pid)], capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_supervisor_that_is_stopped_is_ended_by_its_guard_and_begins_anew(group, victim):
    ranks = group(2)
    for rank in (0, 1):
        ranks.start(rank)
    first = until(lambda: ranks.pids(0) and ranks.pids(1) and [ranks.pids(0)[0], ranks.pids(1)[0]])
    os.kill(supervisor_of(ranks.processes[victim]), signal.SIGSTOP)
    until(lambda: len(ranks.pids(0)) > 1 and len(ranks.pids(1)) > 1, 90)
    assert f"the supervisor of rank {victim} was stopped for 10 s" in ranks.log(victim)
    assert not any(alive(pid) for pid in first)
    if not victim:
        assert json.loads((ranks.folder / "group.json").read_text())["ended"]["machine"] == "gpu-0"


def test_a_guard_that_is_stopped_is_let_go_on(group):
    ranks = group(1)
    ranks.start(0)
    until(lambda: ranks.pids(0))
    os.kill(ranks.processes[0].pid, signal.SIGSTOP)
    until(lambda: "what guards the supervisor was stopped" in ranks.log(0), 60)
    ranks.stop()
    assert len(ranks.pids(0)) == 1


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


def alone(tmp_path, *words, **environment):
    """One rank that somebody waits for, its state in the test's folder."""
    (tmp_path / "status-requested").touch()
    log = (tmp_path / "log").open("w")
    argv = [sys.executable, str(SUPERVISE), "--group=peers", "--ranks=1", f"--state={tmp_path}", *words]
    return subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **environment})


def state(tmp_path):
    path = tmp_path / "group.json"
    return json.loads(path.read_text()) if path.exists() else {}


SPIN = "def hung():\n    while True: pass\nhung()"


@pytest.mark.parametrize(
    ("kind", "engine", "where"),
    [
        ("nvidia", [sys.executable, "-c", SPIN], "process"),
        ("cpu", ["sh", "-c", "kill -STOP $$"], "stopped by a signal (SIGSTOP)"),
    ],
)
def test_an_engine_that_stands_still_is_reported_with_the_place(tmp_path, kind, engine, where):
    """On an accelerator a processor that spins is no sign of life: ranks spin while they wait."""
    with alone(
        tmp_path, f"--accelerator={kind}", "--machine=gpu-7", "--", *engine, TANDEM_STALL_SECONDS="2"
    ) as process:
        found = until(lambda: state(tmp_path).get("stalled"), 90)["0"]
        process.terminate()
    assert (found["rank"], found["machine"]) == (0, "gpu-7")
    assert found["seconds"] >= 1
    assert where in found["where"]


@pytest.mark.parametrize(
    ("words", "reaches"),
    [
        (["--model", "{}/*.gguf", "--lora", "/x/*"], "--model {}/m-Q4_K_M.gguf --lora /x/*"),
        (["--model", "{}/*.gguf", "--model", "{}/a", "--mmproj", "b"], "--model {}/a --mmproj b"),
        (["--prompt", "what is 2 * 3?"], "--prompt what is 2 * 3?"),
    ],
)
def test_words_reach_the_engine_as_they_stand_and_a_projector_is_no_second_model(tmp_path, words, reaches):
    for name in ("m-Q4_K_M.gguf", "mmproj-f16.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with alone(tmp_path, "--", "echo", "llama-server", *(word.format(tmp_path) for word in words)) as process:
        until(lambda: state(tmp_path).get("exits"), 60)
        process.terminate()
    assert f"llama-server {reaches.format(tmp_path)}\n" in (tmp_path / "log").read_text()


def test_an_engine_that_is_not_there_counts_as_one_that_ended(tmp_path):
    with alone(tmp_path, "--", "/no/such/engine") as process:
        found = until(lambda: state(tmp_path).get("exit"), 60)
        process.terminate()
    assert found["code"] == 127
    assert "/no/such/engine" in found["words"][0]


def test_of_an_engines_processes_the_one_that_is_stopped_is_reported_first(tmp_path):
    """A worker that waits for it has a long story of its own, behind which it would be cut off."""
    engine = ["bash", "-c", "(exec -a worker sleep 60) & kill -STOP $$"]
    with alone(tmp_path, "--accelerator=cpu", "--", *engine, TANDEM_STALL_SECONDS="2") as process:
        found = until(lambda: state(tmp_path).get("stalled"), 90)["0"]
        process.terminate()
    assert re.match(r"bash -c \(process \d+\) stands: it was stopped by a signal \(SIGSTOP\); worker", found["where"])


def test_quick_failures_wait_longer_and_longer_and_an_engine_that_served_starts_at_once():
    pauses = [1.0]
    for _ in range(6):
        pauses.append(rank_supervisor.backoff(pauses[-1], 20.0, served=False))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert rank_supervisor.backoff(30.0, 20.0, served=True) == 1
    assert rank_supervisor.backoff(30.0, 121.0, served=False) == 1


def test_what_the_engine_said_last_is_kept_apart_from_the_log(tmp_path):
    with alone(tmp_path, "--", "sh", "-c", "echo tandem: engine exited; echo ValueError: no; exit 3") as process:
        found = until(lambda: state(tmp_path).get("exit"), 60)
        process.terminate()
    assert (found["code"], found["words"][-1]) == (3, "ValueError: no")


def test_the_first_machine_knows_of_a_rank_that_stands_still_on_another(group, tmp_path):
    ranks = group(2)
    for rank in (0, 1):
        ranks.start(rank)
    stopped = until(lambda: ranks.pids(0) and ranks.pids(1) and ranks.pids(1)[0])
    os.kill(stopped, signal.SIGSTOP)
    (tmp_path / "status-requested").touch()
    found = until(lambda: (state(tmp_path).get("stalled") or {}).get("1"), 90)
    assert found["machine"] == "gpu-1"
    assert "SIGSTOP" in found["where"]
