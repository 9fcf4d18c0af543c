"""process_supervisor.py: a process supervised without root and without an init; real processes."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.supervised import Supervised, alive
from tests.support.waiting import until


@pytest.fixture
def kept(tmp_path):
    made = Supervised(tmp_path / "process")
    yield made
    made.run("stop")


def test_it_outlives_its_caller_and_says_who_it_is(kept):
    kept.start("echo $$ >pid; exec sleep 600")
    name = kept.run("status")
    assert name.startswith("running ")
    assert kept.run("status") == name
    assert os.getsid(kept.pid("pid")) != os.getsid(0)


def test_words_and_variables_name_what_is_here_and_the_steps_own_are_gone(kept, tmp_path):
    kept.start(
        'echo "$WHERE $1 ${TANDEM_DIR:-none}"; exec sleep 600',
        argv=["bash", "/tandem/run.sh", "--file=/tandem/a:/var/cache/tandem/b:/x/tandem"],
        environment={"WHERE": "/var/cache/tandem"},
        renames={"/tandem": "./files", "/var/cache/tandem": str(tmp_path / "cache")},
    )
    files, cache = kept.folder / "files", tmp_path / "cache"
    until(lambda: kept.log, 10)
    assert kept.log == f"{cache} --file={files}/a:{cache}/b:/x/tandem none\n"


def test_what_an_engine_compiles_lies_with_the_stack(kept):
    kept.start('echo "$XDG_CACHE_HOME $TRITON_HOME $CUDA_CACHE_PATH"; exec sleep 600')
    cache = kept.folder.parents[1] / "cache"
    until(lambda: kept.log, 10)
    assert kept.log == f"{cache} {cache} {cache}/nv\n"


def test_what_ends_is_started_again_and_nothing_of_it_is_left(kept):
    """A child in a session of its own, as engines have them, does not survive its parent."""
    kept.start("setsid sleep 600 & echo $! >child; echo $$ >pid; wait")
    first, child = kept.pid("pid"), kept.pid("child")
    (kept.folder / "pid").unlink()
    os.kill(first, signal.SIGKILL)
    assert kept.pid("pid") != first
    assert not alive(child)
    assert "starting it again" in kept.log
    assert (kept.folder / "restarts").read_text() == "-9\n"


def test_stop_ends_all_that_it_has_started(kept):
    kept.start("setsid sleep 600 & echo $! >child; echo $$ >pid; wait")
    child = kept.pid("child")
    kept.pid("pid")
    kept.run("stop")
    assert kept.run("status") == "gone"
    assert not alive(child)
    assert not alive(kept.pid("pid"))


def test_a_keeper_that_is_killed_leaves_no_process_on_its_port(kept):
    kept.start("echo $$ >pid; exec sleep 600")
    pid = kept.pid("pid")
    keeper = int((kept.folder / "keeper").read_text().split()[0])
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not alive(pid), 10)
    assert kept.run("status") == "gone"
    kept.run("start")
    assert kept.run("status").startswith("running ")


def test_a_pid_that_somebody_else_has_now_is_left_alone(kept):
    kept.start("exec sleep 600")
    kept.run("stop")
    (kept.folder / "keeper").write_text(f"{os.getpid()} 1 abc\n")
    kept.run("stop")
    assert kept.run("status") == "gone"


def test_a_command_gets_the_processs_environment(kept, tmp_path):
    kept.start("exec sleep 600", environment={"COLOUR": "blue"}, path=[str(tmp_path / "bin")])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mine").write_text('#!/bin/sh\necho "$COLOUR $1"\n')
    (tmp_path / "bin/mine").chmod(0o755)
    assert kept.run("exec", "mine", "/tandem/x") == f"blue {kept.folder}/files/x"


def test_a_program_that_is_not_there_is_named(kept):
    kept.start("", argv=["no-such-program"])
    until(lambda: "error: no-such-program can't be started" in kept.log, 10)
