"""mpi_agent.py: runs what mpirun asks for, for who knows the token; nothing outlives the connection.

Open MPI itself isn't here; tests/stand_ins/bin/mpirun calls the agent as it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

AGENT = ROOT / "components/serving/files/mpi_agent.py"


@pytest.fixture
def agent(tmp_path):
    """A listening agent, and how to call it."""
    port = free_port()
    (tmp_path / "token").write_text("right")
    environment = {**os.environ, "TANDEM_MPI_PORT": str(port), "TANDEM_GROUP_TOKEN": str(tmp_path / "token")}
    log = (tmp_path / "log").open("w")
    command = [sys.executable, str(AGENT), "serve", "--address=127.0.0.1", f"--port={port}"]
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    until(lambda: "listening" in (tmp_path / "log").read_text())

    def call(*words, token="right"):  # noqa: S107  # a test's own
        (tmp_path / token).write_text(token)
        variables = {**environment, "TANDEM_GROUP_TOKEN": str(tmp_path / token)}
        command = [sys.executable, str(AGENT), "run", "127.0.0.1", *words]
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    yield SimpleNamespace(call=call, server=server, log=tmp_path / "log")
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def test_words_are_a_shells_line_as_ssh_takes_them(agent):
    out, _ = agent.call("A=1;", "export", "A;", "echo", "is", "$A").communicate(timeout=60)
    assert out == "is 1\n"


def test_who_does_not_know_the_token_gets_nothing(agent, tmp_path):
    witness = tmp_path / "witness"
    out, _ = agent.call("touch", str(witness), token="wrong").communicate(timeout=60)  # noqa: S106  # a test's own
    until(lambda: "does not know the group's token" in agent.log.read_text())
    assert (out, witness.exists()) == ("", False)
    assert agent.server.poll() is None


def test_a_command_that_loses_its_connection_ends_with_the_agent(agent, tmp_path):
    pid = tmp_path / "pid"
    caller = agent.call("echo", "$$", f"> {pid};", "exec", "sleep", "600")
    until(lambda: pid.exists() and pid.read_text().strip())
    caller.kill()
    caller.wait()
    assert agent.server.wait(timeout=60) == -signal.SIGTERM
    number = int(pid.read_text())

    def gone():
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)
