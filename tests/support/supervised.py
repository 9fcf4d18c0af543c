"""A process supervised without root and without an init, in a folder of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from components.machine.payload import FILES
from tests.support.waiting import until


class Supervised:
    """A folder as process.sh leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "files").mkdir(parents=True)

    def run(self, what: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, FILES / "process_supervisor.py", what, self.folder, *words],
            env={**os.environ, "TANDEM_DIR": "/of/the/step"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def start(self, script: str, **spec: object) -> None:
        base = {"environment": {}, "path": [], "renames": {"/tandem": "./files"}, "owner": f"test-{os.getpid()}"}
        (self.folder / "files/run.sh").write_text(script)
        (self.folder / "spec.json").write_text(json.dumps({"argv": ["bash", "/tandem/run.sh"], **base, **spec}))
        self.run("start")

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def pid(self, name: str) -> int:
        until(lambda: (self.folder / name).exists() and (self.folder / name).read_text().strip())
        return int((self.folder / name).read_text())


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()
