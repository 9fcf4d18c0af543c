"""A step on a machine that is lent as it is, run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from components.machine.payload import FILES, parse_result, render_environment
from tests.support.paths import ROOT
from tests.support.scripts import script as named


class Step:
    """One script with others beside it, as a machine has them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "stack"
        self.dir = self.home / "steps/try/0123"
        self.dir.mkdir(parents=True)
        self.programs = folder / "bin"
        self.programs.mkdir()

    def program(self, name: str, text: str) -> Path:
        path = self.programs / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
        return path

    def run(self, script: str | Path, *others: str, **environment: str) -> tuple[dict[str, str], str]:
        """Its result, or the sentence with which it failed.

        Args:
            script: a name of our scripts without `.sh`, or a path.
            others: the files that it needs beside it; the native runtime's are there anyway.
            environment: its environment.
        """
        path = script if isinstance(script, Path) else named(f"{script}.sh")
        sources = {
            "step.sh": path,
            "runtime.sh": named("native.sh"),
            "run.sh": FILES / "run.sh",
            "lib.sh": FILES / "lib.sh",
            "inference_probe.py": ROOT / "components/serving/files/inference_probe.py",
            "readiness_status.py": ROOT / "components/serving/files/readiness_status.py",
        }
        for name, source in {**sources, **{other: named(other) for other in others}}.items():
            (self.dir / name).write_bytes(source.read_bytes())
        (self.dir / "env").write_text(render_environment(environment))
        done = subprocess.run(
            ["bash", self.dir / "run.sh", "sync"],
            env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return parse_result(done.stdout), (done.stderr.splitlines() or [""])[0]
