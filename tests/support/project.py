"""A Pulumi project of a test's own, run by the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain import environment

_SETTINGS = {"PULUMI_CONFIG_PASSPHRASE": "test", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Project:
    """A project in ``directory`` with the one stack ``test`` and its state beside it."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Project:
        """Make the project; its program runs in the environment the tests run in."""
        (directory / "state").mkdir(parents=True)
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        (directory / "Pulumi.yaml").write_text(json.dumps({"name": "proj", "runtime": runtime}))
        project = cls(directory)
        project.pulumi("stack", "init", "test")
        return project

    def environment(self) -> dict[str, str]:
        """Return the environment of this project's `pulumi`."""
        backend = (self.directory / "state").as_uri()
        return {**os.environ, **environment(), **_SETTINGS, "PULUMI_BACKEND_URL": backend}

    def program(self, text: str) -> Project:
        """Make ``text`` the program."""
        (self.directory / "__main__.py").write_text(textwrap.dedent(text))
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`; the result has its exit status and both streams together in ``stdout``."""
        command = ["pulumi", "--non-interactive", *arguments]
        environment = self.environment()
        return subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )

    def pulumi(self, *arguments: str) -> str:
        """Run `pulumi`, which has to succeed; return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def up(self, *arguments: str) -> dict[str, int]:
        """Run `pulumi up`; return how many resources had which operation ("create", "update", "same", ...)."""
        self.pulumi("up", "--yes", "--skip-preview", *arguments)
        changes: dict[str, int] = json.loads(self.pulumi("stack", "history", "--json"))[0]["resourceChanges"]
        return changes

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secrets in clear."""
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources of the state file by name."""
        state = json.loads((self.directory / "state/.pulumi/stacks/proj/test.json").read_text())
        return {each["urn"].split("::")[-1]: each for each in state["checkpoint"]["latest"].get("resources", [])}

    def files(self) -> str:
        """Return all that Pulumi keeps of the stack, as text."""
        return "\n".join(path.read_text() for path in (self.directory / "state").rglob("*") if path.is_file())
