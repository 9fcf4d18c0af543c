"""One piece of work on its way to a machine: its files, its variables, and the word that stands for both."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components.machine.agent_call import agent_call, hide
from components.machine.inputs import combined
from components.machine.installation import FILES, content, from_project
from components.machine.machine import Machine
from components.machine.payload import content_hash, pack

RUNNER = {name: FILES / name for name in ("run.sh", "lib.sh")}
"""What runs a step on its machine, and what its script finds beside it."""
# A failed command is shown with its words: a program among them would bury the sentence that says why.
_RECEIVE = ("bash", "-c", 'IFS= read -r program && eval "$(base64 -d <<<"$program")"', "receive")


@dataclass(frozen=True)
class Delivery:
    """What is delivered, and the two ways in which it is: by `remote.Command`, or by `agent.py` of this computer.

    Attributes:
        machine: where to.
        step: its folder's name on the machine.
        version: twelve hex digits that stand for files and variables; another version is another run.
        files: of the project, by the name they have on the machine.
        texts: more content, by name; `version` stands for it too.
        variables: of the script.
        secrets: more variables, hidden, and no part of `version`.
        secret_texts: more content, the same.
    """

    machine: Machine
    step: str
    version: pulumi.Output[str]
    files: Mapping[str, Path]
    texts: Mapping[str, pulumi.Input[str]]
    variables: pulumi.Output[dict[str, str]]
    secrets: Mapping[str, pulumi.Input[str]]
    secret_texts: Mapping[str, pulumi.Input[str]]

    @property
    def remote_command(self) -> pulumi.Output[str]:
        """The command line that reads receive.sh and then the archive from standard input, and runs it to its end."""
        machine = self.machine
        base = machine.installation.base
        return self.version.apply(
            lambda version: machine.as_root([*_RECEIVE, machine.stack, self.step, version, "sync", base])
        )

    @property
    def remote_stdin(self) -> pulumi.Output[str]:
        """What `remote_command` wants on its standard input: receive.sh as one line of base64, then the archive."""
        known: dict[str, pulumi.Input[Any]] = {
            "variables": self.variables,
            "secrets": self.secrets,
            "texts": {**self.texts, **self.secret_texts},
        }
        return hide(self.machine.root_stdin(combined(known).apply(self._packed)))

    def agent_command(self, word: str) -> pulumi.Output[str]:
        """A call of `agent.py` that delivers it, and changes with the version."""
        return pulumi.Output.concat(agent_call(word, self.step), " ", self.version)

    @property
    def call(self) -> dict[str, pulumi.Input[Any]]:
        """What `agent.py` needs to know for it; the files it reads itself."""
        return {
            **self.machine.facts(),
            "stack": self.machine.stack,
            "base": self.machine.installation.base,
            "files": {name: from_project(file) for name, file in self.files.items()},
            "variables": self.variables,
            **({"secrets": dict(self.secrets)} if self.secrets else {}),
        }

    def _packed(self, known: Mapping[str, Any]) -> str:
        texts = {name: str(text).encode() for name, text in known["texts"].items()}
        packed = pack({**_contents(self.files), **texts}, {**known["variables"], **known["secrets"]})
        return base64.b64encode(content(FILES / "receive.sh")).decode() + "\n" + packed


def delivery(
    machine: Machine,
    step: str,
    *,
    script: Path,
    files: Mapping[str, Path] | None = None,
    texts: Mapping[str, pulumi.Input[str]] | None = None,
    variables: Mapping[str, pulumi.Input[str]] | None = None,
    secrets: Mapping[str, pulumi.Input[str]] | None = None,
    secret_texts: Mapping[str, pulumi.Input[str]] | None = None,
) -> Delivery:
    """What a step is made of.

    Args:
        machine: where to.
        step: its folder's name on the machine.
        script: what runs there; finds everything else beside it.
        files: of the project, by the name they have on the machine.
        texts: more content, by name.
        variables: of the script.
        secrets: more variables, hidden in state and logs, and no part of the version.
        secret_texts: more content, the same.
    """
    all_files = {**RUNNER, **(files or {}), "step.sh": script}
    known = combined(variables or {})
    version = combined({"variables": known, "texts": dict(texts or {})}).apply(
        lambda found: content_hash(
            {**_contents(all_files), **{name: str(text).encode() for name, text in found["texts"].items()}},
            found["variables"],
        )
    )
    return Delivery(machine, step, version, all_files, texts or {}, known, secrets or {}, secret_texts or {})


def _contents(files: Mapping[str, Path]) -> dict[str, bytes]:
    return {name: content(file) for name, file in files.items()}
