"""A process on a machine with systemd: its unit as the step writes it and its end removes it.

The unit's commands are run here; systemd itself is a stand-in that notes its calls.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess

import pytest

from components.machine.payload import FILES
from tests.scripts.native_step import Step
from tests.support.waiting import until

UNIT = "stack-p.service"
SYSTEMCTL = """
echo "$*" >>{calls}
unit={units}/${{@: -1}}
case "$*" in
  restart*) eval "$(sed -n s/^ExecStart=//p "$unit")" ;;
  stop* | *--now*) eval "$(sed -n s/^ExecStop=//p "$unit")" ;;
esac
"""


class Machine:
    """Where the step runs."""

    def __init__(self, folder) -> None:
        self.step, self.units, self.calls = Step(folder), folder / "units", folder / "calls"
        self.units.mkdir()
        self.folder = self.step.home / "processes/p"
        self.step.program("systemctl", SYSTEMCTL.format(calls=self.calls, units=self.units))
        self.script = folder / "process.sh"
        self.script.write_text((FILES / "process.sh").read_text().replace("/etc/systemd/system", str(self.units)))
        (self.step.dir / "process_supervisor.py").write_bytes((FILES / "process_supervisor.py").read_bytes())

    def up(self, text="first"):
        (self.step.dir / "files").mkdir(exist_ok=True)
        (self.step.dir / "files/said").write_text(text)
        spec = {"argv": ["bash", "-c", f"cat files/said >{self.step.home}/seen; exec sleep 600"], "path": []}
        whole = {**spec, "environment": {}, "renames": {}, "owner": "stack-test"}
        (self.step.dir / "spec.json").write_text(json.dumps(whole))
        found, error = self.step.run(self.script, PROCESS="p", UNIT="yes")
        assert not error
        until(lambda: (self.step.home / "seen").exists() and (self.step.home / "seen").read_text() == text)
        return found["id"]

    def words(self):
        said = self.calls.read_text().splitlines()
        self.calls.write_text("")
        return said

    def down(self):
        end = (FILES / "end_process.sh").read_text().replace("/etc/systemd/system", str(self.units))
        home = self.step.home
        environment = {**os.environ, "PATH": f"{self.step.programs}:{os.environ['PATH']}"}
        words = ["bash", "-c", end, "end", str(home.parent), home.name, "p"]
        subprocess.run(words, input="", text=True, env=environment, check=True, timeout=60)


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.down()


def test_a_unit_holds_it_and_a_change_restarts_it(machine):
    first = machine.up()
    (unit,) = machine.units.iterdir()
    assert unit.name == UNIT
    assert machine.words() == ["daemon-reload", f"enable --quiet {UNIT}", f"restart {UNIT}"]
    (command,) = re.findall(r"ExecStart=(.*)", unit.read_text())
    assert shlex.split(command)[-3:] == [str(machine.folder / "process_supervisor.py"), "start", str(machine.folder)]
    assert machine.up() == first
    assert machine.words() == []
    assert machine.up("second") != first
    assert machine.words() == [f"stop {UNIT}", "daemon-reload", f"enable --quiet {UNIT}", f"restart {UNIT}"]


def test_its_end_leaves_neither_unit_nor_a_line_to_undo(machine):
    machine.up()
    undo = machine.step.home / "undo"
    lines = ["systemctl daemon-reload", f"rm -f {machine.units}/{UNIT}", f"systemctl disable --quiet --now {UNIT}"]
    assert undo.read_text().splitlines() == lines
    machine.words()
    machine.down()
    assert machine.words() == [f"disable --quiet --now {UNIT}", "daemon-reload"]
    assert not list(machine.units.iterdir())
    assert not machine.folder.exists()
    assert UNIT not in undo.read_text()
