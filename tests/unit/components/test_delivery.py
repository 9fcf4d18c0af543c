"""How a step's files reach a machine by `agent.py`: by path through the engine, packed by the agent."""

from __future__ import annotations

import base64
import io
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from components.machine import agent
from components.machine.agent import Failure, Ssh, deliver, launch
from components.machine.delivery import RUNNER
from components.machine.installation import from_project
from components.machine.payload import content_hash
from tests.support.graph import graph

STEP = "prepare"
VARIABLES = {"PEER": "10.0.0.2"}
LONGEST = 4096
"""Bytes of a long step's input: its variables, how the machine is reached, and a path for each file."""


class Answering(Ssh):
    """A connection that answers with these exit codes in turn, and keeps what it was sent."""

    def __init__(self, codes: list[int], **more: Any) -> None:
        files = {name: from_project(file) for name, file in RUNNER.items()}
        own = {"stack": "tandem-t", "base": "/var/lib/tandem", "files": files, "variables": VARIABLES}
        machine = {"name": "n0", "user": "root", "host": "10.0.0.1", "port": 22}
        super().__init__({**machine, **own, **more}, Path("/nonexistent"))
        self.codes: list[int]
        self.sent: list[tuple[tuple[str, ...], str]]
        self.__dict__ |= {"codes": codes, "sent": []}

    def run_script(
        self, text: str, *arguments: str, stdin: str = "", timeout: int = 60
    ) -> subprocess.CompletedProcess[str]:
        self.sent.append((arguments, stdin))
        return subprocess.CompletedProcess([], self.codes.pop(0), "started=unit", "Connection refused")


def version() -> str:
    return content_hash({name: file.read_bytes() for name, file in RUNNER.items()}, VARIABLES)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting between two tries."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_the_machine_gets_files_variables_and_secrets_as_one_archive():
    ssh = Answering([0], secrets={"TOKEN": "it's"})
    deliver(ssh, STEP, version(), "sync")
    [(words, sent)] = ssh.sent
    assert words == ("tandem-t", STEP, version(), "sync", "/var/lib/tandem")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(sent))) as archive:
        found = {member.name: stream.read() for member in archive if (stream := archive.extractfile(member))}
    assert found.pop("env").decode() == "PEER=10.0.0.2\nTOKEN='it'\"'\"'s'\n"
    assert found == {name: file.read_bytes() for name, file in RUNNER.items()}


def test_a_file_that_changes_while_pulumi_runs_is_refused():
    """The version says what runs on the machine: nothing else may run under its name."""
    ssh = Answering([0])
    with pytest.raises(Failure, match="prepare: a file of it was changed while `pulumi up` ran; run it again"):
        deliver(ssh, STEP, "0" * 12, "launch")
    assert not ssh.sent


def test_a_machine_that_does_not_answer_yet_is_waited_for():
    ssh = Answering([255, 254, 0])
    assert launch(ssh, STEP, version()) == "started=unit"
    assert len(ssh.sent) == 3


def test_a_machine_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(agent, "ACQUIRE_SECONDS", 0)
    with pytest.raises(Failure, match=r"SSH did not answer in 0 s \(Connection refused\); bring the machine back"):
        launch(Answering([255]), STEP, version())


def test_a_script_that_fails_says_so_at_once():
    with pytest.raises(Failure, match=r"n0 \(root@10.0.0.1:22\): prepare: Connection refused"):
        launch(Answering([1]), STEP, version())


def test_no_program_passes_through_the_engine(monkeypatch, tmp_path):
    """Whatever a resource holds passes a dozen times between engine and plugins, for each machine anew."""
    seen = graph(monkeypatch, tmp_path)
    long = {name.removesuffix("-done") for name in seen if name.endswith("-done")}
    inputs = {name: MessageToDict(seen[name].object)["stdin"] for step in long for name in (f"{step}-run",)}
    inputs |= {name: MessageToDict(seen[name].object)["stdin"] for name in ("n0-lease", "n0-firewall")}
    assert {f"n0-{part}" for part in ("prepare-run", "engine-whole-run", "weights-run")} <= inputs.keys()
    assert {name: len(str(sent)) for name, sent in inputs.items() if len(str(sent)) > LONGEST} == {}


def test_a_file_outside_the_project_is_named_whole(tmp_path):
    script = tmp_path / "step.sh"
    script.write_text("echo here\n")
    files = {"step.sh": from_project(script), "run.sh": from_project(RUNNER["run.sh"])}
    assert files == {"step.sh": str(script), "run.sh": "components/machine/files/run.sh"}
    contents = {"step.sh": script.read_bytes(), "run.sh": RUNNER["run.sh"].read_bytes()}
    version = content_hash(contents, VARIABLES)
    ssh = Answering([0], files=files)
    assert deliver(ssh, STEP, version, "sync").returncode == 0
