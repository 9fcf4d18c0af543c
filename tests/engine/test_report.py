"""The report under the real engine: a program writes it before its own `up` has ended, from the state as it is then."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from stacks.report import state
from tests.support.paths import ROOT
from tests.support.project import Project
from tests.support.settings import values

pytestmark = pytest.mark.engine

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import pulumi
from pulumi_command import local
from stacks.changes import Changes
from stacks.large_stacks import settled
from stacks.measurements import report
from stacks import project
from stacks.load_settings import parse

project.ROOT = Path.cwd()

async def main():
    changes = Changes()
    first = local.Command("node-0-engine-image", create="sleep 1; echo")
    after = pulumi.ResourceOptions(depends_on=[first])
    asked = local.Command("answer-asked", create="echo https://203.0.113.1/v1", opts=after)
    outputs = {{"apiUrl": asked.stdout}}
    await settled(outputs)
    return {{**outputs, **await report(parse(VALUES), outputs, changes)}}

pulumi.run(main)
"""


@pytest.fixture
def folder(project: Project) -> Path:
    """Where report and records lie: the computer's own, not the project's."""
    found = Path(project.environment()["TANDEM_STATE"]) / "measured/proj-test"
    shutil.rmtree(found, ignore_errors=True)
    return found


@pytest.fixture
def stack(project: Project, folder: Path) -> Project:
    return project.program(PROGRAM.replace("VALUES", repr(values())))


def test_an_up_writes_it_and_a_preview_does_not(stack: Project, folder: Path) -> None:
    file = folder / "report.html"
    stack.pulumi("preview")
    assert not file.exists()
    assert stack.up() == {"create": 3}
    assert stack.outputs()["report"] == str(file)
    page = file.read_text()
    assert "https://203.0.113.1/v1" in page
    assert "first completion after" in page  # both resources were in the state already
    assert "Nobody looked" in page


def test_an_up_writes_it_again_only_if_something_is_new(stack: Project, folder: Path) -> None:
    stack.up()
    file = folder / "report.html"

    def written(changes: dict[str, int]) -> bool:
        file.write_text("as it was")
        assert stack.up() == changes
        return file.read_text() != "as it was"

    assert not written({"same": 3})
    text = (stack.directory / "__main__.py").read_text()
    changed = text.replace("sleep 1; echo", "echo another")
    stack.program(changed)
    assert written({"same": 2, "update": 1})
    stack.program(changed.replace('"answer-asked", create=', '"answer-asked", triggers=["again"], create='))
    assert written({"same": 2, "replace": 1})
    file.unlink()
    assert stack.up() == {"same": 3}
    assert file.exists()
    measured = folder / "benchmarks"
    measured.mkdir()
    os.utime(measured, (time.time() + 60,) * 2)
    assert written({"same": 3})


@pytest.mark.long  # previews with refresh
def test_what_differs_from_the_declared_state_is_found(stack: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up()
    environment = stack.environment()
    monkeypatch.setattr("stacks.project.ROOT", stack.directory)
    for name in ("PATH", "PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(name, environment.get(name, ""))
    assert state.differences("test") == []
    text = (stack.directory / "__main__.py").read_text()
    stack.program(text.replace("sleep 1; echo", "echo another"))
    found = state.differences("test")
    assert [(each.name, each.type, each.operation) for each in found] == [("node-0-engine-image", "Command", "update")]
    assert "create" in found[0].properties
    assert {each["urn"].rsplit("::", 1)[-1] for each in state.resources("test")} >= {"answer-asked"}
    assert json.loads(json.dumps(state.outputs("test")))["apiUrl"] == "https://203.0.113.1/v1"
