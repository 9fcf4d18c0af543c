"""process_supervisor.py: a process supervised without root and without an init; real processes."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.supervised import Supervised, alive
from tests.support.waiting import until


@pytest.fixture
def process(tmp_path):
    made = Supervised(tmp_path / "process")
    yield made
    made.run("stop")


def test_it_outlives_its_caller_and_says_who_it_is(process):
    process.start("echo $$ >pid; exec sleep 600")
    name = process.run("status")
    assert name.startswith("running ")
    assert process.run("status") == name
    assert os.getsid(process.pid("pid")) != os.getsid(0)


def test_words_and_variables_name_what_is_here_and_the_steps_own_are_gone(process, tmp_path):
    process.start(
        'echo "$WHERE $1 ${TANDEM_DIR:-none}"; exec sleep 600',
        argv=["bash", "/tandem/run.sh", "--file=/tandem/a:/var/cache/tandem/b:/x/tandem"],
        environment={"WHERE": "/var/cache/tandem"},
        renames={"/tandem": "./files", "/var/cache/tandem": str(tmp_path / "cache")},
    )
    files, cache = process.folder / "files", tmp_path / "cache"
    until(lambda: process.log)
    assert process.log == f"{cache} --file={files}/a:{cache}/b:/x/tandem none\n"


def test_what_an_engine_compiles_lies_with_the_stack(process):
    process.start('echo "$XDG_CACHE_HOME $TRITON_HOME $CUDA_CACHE_PATH"; exec sleep 600')
    cache = process.folder.parents[1] / "cache"
    until(lambda: process.log)
    assert process.log == f"{cache} {cache} {cache}/nv\n"


def test_what_ends_is_started_again_and_nothing_of_it_is_left(process):
    """A child in a session of its own, as engines have them, does not survive its parent."""
    process.start("setsid sleep 600 & echo $! >child; echo $$ >pid; wait")
    first, child = process.pid("pid"), process.pid("child")
    (process.folder / "pid").unlink()
    os.kill(first, signal.SIGKILL)
    assert process.pid("pid") != first
    assert not alive(child)
    assert "starting it again" in process.log
    assert (process.folder / "restarts").read_text() == "-9\n"


def test_stop_ends_all_that_it_has_started(process):
    process.start("setsid sleep 600 & echo $! >child; echo $$ >pid; wait")
    child = process.pid("child")
    process.pid("pid")
    process.run("stop")
    assert process.run("status") == "gone"
    assert not alive(child)
    assert not alive(process.pid("pid"))


def test_a_keeper_that_is_killed_leaves_no_process_on_its_port(process):
    process.start("echo $$ >pid; exec sleep 600")
    pid = process.pid("pid")
    supervisor = int((process.folder / "supervisor").read_text().split()[0])
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert process.run("status") == "gone"
    process.run("start")
    assert process.run("status").startswith("running ")


def test_a_pid_that_somebody_else_has_now_is_left_alone(process):
    process.start("exec sleep 600")
    process.run("stop")
    (process.folder / "supervisor").write_text(f"{os.getpid()} 1 abc\n")
    process.run("stop")
    assert process.run("status") == "gone"


def test_a_command_gets_the_processs_environment(process, tmp_path):
    process.start("exec sleep 600", environment={"COLOUR": "blue"}, path=[str(tmp_path / "bin")])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mine").write_text('#!/bin/sh\necho "$COLOUR $1"\n')
    (tmp_path / "bin/mine").chmod(0o755)
    assert process.run("exec", "mine", "/tandem/x") == f"blue {process.folder}/files/x"


def test_a_program_that_is_not_there_is_named(process):
    process.start("", argv=["no-such-program"])
    until(lambda: "error: no-such-program can't be started" in process.log)
