"""Lines of a long step under the real engine: they are shown while it runs, and a failure repeats none of them."""

from __future__ import annotations

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
from stacks.large import settled

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
