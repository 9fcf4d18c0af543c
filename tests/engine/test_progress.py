"""Lines of a long step under the real engine: they are shown while it runs, and a failure repeats none of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.project import Project

pytestmark = pytest.mark.engine

AGENT = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "components/machine")!r})
import agent
shown = agent.Progress("proj-test", "node-0", "weights")
for percent in range(0, 100, 5):
    shown.show(f"downloading m: {{percent}} % of 2 GB, 10 MB/s, {{100 - percent}} s left")
    time.sleep(0.02)
agent.say("node-0: weights: the hub gives no such file; correct model.id")
sys.exit(1)
"""
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from pulumi_command import local
from components.machine import progress
from stacks.large_stacks import settled

class Weights(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("tandem:weights:Weights", "weights")
        progress.follow("node-0-weights", self)
        self.it = local.Command("it", create="python3 agent_of_the_test.py", opts=pulumi.ResourceOptions(parent=self))

async def main():
    progress.TERMINAL = progress.LOG = PAUSE
    out = {{"out": Weights().it.stdout}}
    with LISTENING:
        await settled(out)
    return out

pulumi.run(main)
"""
LISTENING, NOBODY = 'progress.shown("proj-test")', "__import__('contextlib').nullcontext()"


def run(project: Project, listening: str, pause: str) -> str:
    (project.directory / "agent_of_the_test.py").write_text(AGENT)
    done = project.program(PROGRAM.replace("LISTENING", listening).replace("PAUSE", pause)).run(
        "up", "--yes", "--skip-preview"
    )
    assert done.returncode != 0
    return done.stdout


def test_lines_move_beside_their_component_and_the_failure_is_one_sentence(project: Project) -> None:
    shown = run(project, LISTENING, "0.05")
    moving, _, diagnostics = shown.partition("Diagnostics:")
    lines = [line for line in moving.splitlines() if "downloading m" in line]
    assert 3 <= len(lines) <= 20
    assert all("Weights weights" in line for line in lines), lines
    assert "downloading" not in diagnostics
    assert "the hub gives no such file" in diagnostics


@pytest.mark.long
def test_the_same_stage_is_reported_now_and_then_where_nobody_watches(project: Project) -> None:
    moving = run(project, LISTENING, "30.0").partition("Diagnostics:")[0]
    assert moving.count("downloading m") == 1


@pytest.mark.long
def test_where_nobody_listens_the_agent_writes_for_itself_and_not_every_line(project: Project) -> None:
    diagnostics = run(project, NOBODY, "0.05").partition("Diagnostics:")[2]
    assert diagnostics.count("downloading m") == 1


LONG_AGENT = (
    AGENT.replace("import sys, time", "import os, sys, time")
    .replace("range(0, 100, 5)", "range(100)")
    .replace("downloading m:", "downloading {os.environ['OF']}:")
    .replace("0.02", "0.05")
)


@pytest.mark.parametrize("apart", ["folder", "backend"])
def test_two_stacks_of_one_name_show_each_its_own_lines(tmp_path: Path, apart: str) -> None:
    """Two project folders, or one with two backends: both have a stack of that name, and run at once."""
    folders = {name: tmp_path / (name if apart == "folder" else "one") for name in ("a", "b")}
    running = {}
    for name, folder in folders.items():
        project = folder_of(folder)
        backend = tmp_path / f"state-{name}"
        backend.mkdir()
        environment = {**project.environment(), "PULUMI_BACKEND_URL": backend.as_uri(), "OF": name}
        words = ["pulumi", "--non-interactive"]
        subprocess.run([*words, "stack", "init", "test"], cwd=folder, env=environment, check=True, capture_output=True)
        running[name] = subprocess.Popen(
            [*words, "up", "--yes", "--skip-preview"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
    said = {name: process.communicate(timeout=300)[0] for name, process in running.items()}
    for name, other in (("a", "b"), ("b", "a")):
        moving, _, diagnostics = said[name].partition("Diagnostics:")
        assert moving.count(f"downloading {name}:") >= 3, said[name]
        assert f"downloading {other}:" not in said[name]
        assert "downloading" not in diagnostics


def folder_of(folder: Path) -> Project:
    """A project whose agent tells whose it is."""
    project = Project(folder) if (folder / "Pulumi.yaml").exists() else Project.make(folder)
    (folder / "agent_of_the_test.py").write_text(LONG_AGENT)
    return project.program(PROGRAM.replace("LISTENING", LISTENING).replace("PAUSE", "0.05"))
