"""An engine that makes no tokens any more is started again, one that is idle or busy is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import cast

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

FILES = ROOT / "components/serving/files"
ENGINE = ROOT / "tests/scripts/counted_engine.py"
sys.path.append(str(FILES))  # its modules import each other as they lie on the machine

import inference_probe  # noqa: E402
import liveness  # noqa: E402
import stall_detector  # noqa: E402
import stall_report  # noqa: E402

GROUP = ("--group=peers", "--ranks=1")


class Supervised:
    """One rank with the stand-in engine, which is `dead` after so many requests."""

    def __init__(
        self,
        folder,
        dead: int | None = None,
        ranks: int = 0,
        *,
        limit: float = 2,
        accelerator="nvidia",
        group=(),
        engine=(),
        **environment: str,
    ):
        self.folder, self.port = folder, free_port()
        settings: dict[str, object] = {
            "base": f"http://127.0.0.1:{self.port}/v1",
            "model": "m",
            "task": "chat",
            "folder": str(folder),
        }
        settings |= {"ranks": ranks or 1, "series": ["vllm:generation_tokens_total"]}
        (folder / "liveness.json").write_text(json.dumps(settings))
        engine = engine or [
            sys.executable,
            ENGINE,
            str(self.port),
            folder / "pids",
            *([str(dead)] if dead is not None else []),
        ]
        words = [f"--state={folder}", f"--liveness={folder / 'liveness.json'}", "--machine=gpu-7"]
        words += [f"--accelerator={accelerator}"]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, FILES / "rank_supervisor.py", *(group or GROUP), *words, "--", *engine],
            stdout=self.log,
            stderr=self.log,
            env={
                **os.environ,
                "TANDEM_LIVENESS_SECONDS": str(limit),
                "TANDEM_STALL_SECONDS": "2",
                "RANKS": str(ranks),
                **environment,
            },
        )

    @property
    def pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def said(self) -> str:
        return str((self.folder / "log").read_text())

    @property
    def state(self) -> dict:
        found: dict = json.loads((self.folder / "group.json").read_text())
        return found

    def counted(self) -> float:
        """As the supervisor counts; 0 before it can."""
        watched = liveness.Liveness(
            f"http://127.0.0.1:{self.port}/v1", "m", "chat", "", ["vllm:generation_tokens_total"]
        )
        watched.end()
        return sum((watched.count() or {}).values())

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


@pytest.fixture
def supervised(tmp_path):
    made = []

    def make(**options):
        made.append(Supervised(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_idle_engine_is_asked_now_and_then_and_left_alone(supervised):
    engine = supervised()
    until(lambda: engine.counted() >= 3, 60)
    assert len(engine.pids) == 1
    assert engine.state["stalls"] == []


def test_one_that_stands_still_is_started_again_and_stays_down_after_three_times(supervised):
    engine = supervised(dead=1)
    until(lambda: len(engine.pids) > 1, 60)
    assert "rank 0 on gpu-7 gives no sign" in engine.said
    assert "starting the engine again" in engine.said
    until(lambda: engine.state["error"], 120)
    assert engine.state["error"].startswith("stood still 3 times in an hour: no token for ")
    assert len(engine.pids) == 3
    assert [each["why"][:13] for each in engine.state["stalls"]] == ["no token for "] * 3
    assert engine.process.poll() is None


def test_one_that_is_stopped_before_it_serves_is_started_again(supervised, tmp_path):
    """One that merely waits is let wait: its storage may come back."""
    program = "import os, time; open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"
    engine = supervised(engine=[sys.executable, "-c", program.replace("pids", str(tmp_path / "pids"))])
    until(lambda: "rank 0 on gpu-7 gives no sign" in engine.said)
    assert len(engine.pids) == 1
    os.kill(engine.pids[0], signal.SIGSTOP)
    until(lambda: len(engine.pids) > 1)
    assert "it starts: rank 0 on gpu-7 gives no sign" in engine.said
    assert "SIGSTOP" in engine.state["stalls"][0]["where"]


def test_computing_alone_is_a_sign_on_processors_and_told_apart(monkeypatch):
    """One that loops computes, and so does one with a long prompt: it stands still only after stall_report.LOOP."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen = {}
    for kind in ("cpu", "nvidia"):
        watch = stall_detector.StallDetector(kind, limit=20)
        for tick in range(12):
            now[0] += 5
            found = {"read": 0.0, "memory": 0.0, "seconds": 4.0 * tick, "said": 0.0}
            watch.record(found, [7], held=False, works=lambda: None)
        seen[kind] = (watch.stalled_seconds() > 0, watch.computing_seconds() > 0)
    assert seen == {"cpu": (False, True), "nvidia": (True, False)}


class Silent:
    """Tokens of an engine that makes none."""

    def __init__(self, seconds, ranks=(0,)):
        self.seconds, self.ranks = seconds, list(ranks)

    def silent(self):
        return self.seconds

    def silent_ranks(self, seconds):
        return self.ranks if self.seconds >= seconds else []


def report(rank, kind="", where="Worker stands in step (model.py:3)", data=-1):
    return {"rank": rank, "machine": f"n{rank}", "data": data, "seconds": 60, "kind": kind, "where": where}


WAITS = "Worker stands in all_reduce (parallel_state.py:9)"


@pytest.mark.parametrize(
    ("seconds", "ranks", "culprit"),
    [
        (60, [report(0, where=WAITS), report(1, "held")], 1),
        (60, [report(0, where=WAITS), report(1, "computes")], 1),
        (60, [report(0, where=WAITS), report(1)], 1),
        (60, [report(0), report(1)], 0),
        (25, [report(1, "held")], 1),  # that is sure, and soon
        (25, [report(0), report(1)], None),
        (60, [report(0, "computes"), report(1, "computes")], None),  # a long prompt
        (400, [report(0, "computes"), report(1, "computes")], 0),
        (60, [], None),
        (60, [report(1, data=3)], None),  # a data parallel rank that nobody asks
    ],
)
def test_the_rank_that_the_others_wait_for_is_named(seconds, ranks, culprit):
    found = stall_report.find(cast("liveness.Liveness", Silent(seconds)), ranks)
    assert (found and found["rank"]) == culprit
    if found:
        assert found["why"].startswith(f"no token for {seconds} s: rank {culprit} on n{culprit} ")


def test_one_of_two_data_parallel_ranks_that_stands_still_is_found(supervised):
    """The other goes on serving, and an idle one that answers is none that stands still."""
    engine = supervised(ranks=2, limit=8)  # the idle one has to answer within it, also where the tests' cores are busy
    until(lambda: engine.counted() >= 4, 60)
    assert engine.state["stalls"] == []
    rank = ["pgrep", "-f", "VLLM::EngineCore_DP1", "-P", str(engine.pids[0])]
    os.kill(int(subprocess.run(rank, capture_output=True, check=True).stdout), signal.SIGSTOP)
    until(lambda: len(engine.pids) > 1, 120)
    (stall,) = engine.state["stalls"]
    assert "VLLM::EngineCore_DP1" in stall["why"].split(";")[0]
    assert "SIGSTOP" in stall["why"]


def test_whoever_waits_for_the_share_is_told_first(monkeypatch):
    names = {1: "ray::DashboardAgent", 2: "vllm serve"}
    monkeypatch.setattr(stall_detector, "name", names.get)
    monkeypatch.setattr(stall_detector, "state", lambda pid: "S")
    monkeypatch.setattr(stall_detector, "share", lambda pid: "rpc_wait_bit_killable" if pid == 2 else "")
    said = stall_detector.where([1, 2])
    assert said.startswith("vllm serve (process 2) stands: it waits for the share (rpc_wait_bit_killable)")


def test_each_data_parallel_rank_has_the_processes_of_its_own(monkeypatch):
    names = {1: "vllm serve", 2: "VLLM::EngineCore_DP0", 3: "VLLM::Worker_DP0_TP1", 4: "VLLM::EngineCore_DP1"}
    monkeypatch.setattr(stall_detector, "name", names.get)
    monkeypatch.setattr(stall_detector, "tree", lambda roots: [*roots, *([3] if roots == [2] else [])])
    assert stall_detector.data_ranks([1, 2, 3, 4]) == {0: [2, 3], 1: [4]}
    assert stall_detector.data_ranks([1]) == {-1: [1]}


def test_a_data_parallel_rank_is_busy_by_its_own_part_of_the_gpus(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n0\\n7\\n0\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert [stall_detector.busy("nvidia", (part, 2)) for part in (0, 1)] == [False, True]
    assert stall_detector.busy("nvidia")


@pytest.mark.timeout(30)
def test_a_model_whose_folder_hangs_holds_up_nobody(tmp_path):
    """A pipe that nobody writes to hangs as a file of a share does; the supervisor has an engine to look after."""
    os.mkfifo(tmp_path / "config.json")
    watched = liveness.Liveness("http://127.0.0.1:1/v1", "m", "", str(tmp_path), ["x"])
    assert not watched.serves()
    watched.end()


def test_an_answer_that_waits_its_turn_is_no_stall(supervised, monkeypatch):
    """The question has no answer, and tokens are counted: others are served."""
    seen, answered = iter(range(10_000)), threading.Event()
    monkeypatch.setattr(liveness, "IDLE", 0.0)
    monkeypatch.setattr(liveness, "SAMPLE", 0.05)
    monkeypatch.setattr(inference_probe, "ask", lambda *_, **__: answered.wait(60))
    monkeypatch.setattr(liveness.Liveness, "count", lambda _: {0: float(next(seen) // 2)})
    watched = liveness.Liveness("http://127.0.0.1:1/v1", "m", "chat", "", ["x"])
    question = until(lambda: watched.ranks[0].question)
    silences = [0.0]

    def shrinks() -> bool:
        """As it would not without tokens."""
        silences.append(watched.silent())
        return silences[-1] < silences[-2]

    until(shrinks, pause=0.02)
    watched.end()
    assert question.is_alive()
    answered.set()


def test_ranks_that_rest_between_questions_do_not_stand_still(supervised, tmp_path):
    """Answers take as long as a big model's, and between them no rank gives any sign for longer than the limit."""
    (tmp_path / "token").write_text("t0ken")
    log, limits = tmp_path / "log-1", {"TANDEM_STALL_SECONDS": "30", "TANDEM_LIVENESS_SECONDS": "6"}
    group = ["--group=peers", "--ranks=2", "--leader=127.0.0.1", f"--port={free_port()}", f"--token={tmp_path}/token"]
    engine = supervised(limit=6, group=group, SECONDS="3", TANDEM_STALL_SECONDS="30")
    member = [sys.executable, str(FILES / "rank_supervisor.py"), *group, "--rank=1", "--accelerator=nvidia"]
    with (
        log.open("w") as out,
        subprocess.Popen(
            [*member, "--", "sleep", "600"], stdout=out, stderr=out, env={**os.environ, **limits}
        ) as other,
    ):
        try:
            until(lambda: engine.counted() >= 4, 120)
            said = engine.said + log.read_text()
        finally:
            other.terminate()
    assert "starting the engine (attempt 1)" in said
    assert "no sign" not in said
