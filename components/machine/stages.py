"""Several scripts as one step: what always runs one after another on a machine is one long command there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.machine.machine import Machine
from components.machine.payload import FILES
from components.machine.step import RemoteStep


@dataclass(frozen=True)
class Stage:
    """A script of a step. It checks before it acts, so that it may run again whenever another stage has changed.

    Attributes:
        script: the script; its name without `.sh` and with `-` for `_` is the stage's.
        environment: its variables; stages of one step share them, and agree on those of the same name.
        files: more files, by the name they have beside `lib.sh`.
        secrets: more variables, hidden in state and logs, and no part of what makes the step run again.
        timeout: seconds.
    """

    script: Path
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    timeout: int = 60

    @property
    def name(self) -> str:
        """As messages and the log have it."""
        return self.script.stem.replace("_", "-")


def run_stages(
    name: str,
    *,
    machine: Machine,
    stages: Sequence[Stage],
    after: Sequence[pulumi.Resource] = (),
    parent: pulumi.Resource,
) -> RemoteStep:
    """Declares the stages as one step, whose result is that of all of them; the first that fails ends it.

    Args:
        name: Pulumi name; starts with the machine's.
        machine: where they run.
        stages: in their order.
        after: what must be done before.
        parent: the component that it is a part of.
    """
    files: dict[str, Path] = {}
    environment: dict[str, pulumi.Input[str]] = {}
    secrets: dict[str, pulumi.Input[str]] = {}
    for stage in stages:
        files |= {**stage.files, f"stages/{stage.name}.sh": stage.script}
        environment |= stage.environment
        secrets |= stage.secrets
    return RemoteStep(
        name,
        machine=machine,
        script=FILES / "stages.sh",
        files=files,
        environment={**environment, "STAGES": " ".join(f"{stage.name}:{stage.timeout}" for stage in stages)},
        secrets=secrets,
        long=True,
        timeout=sum(stage.timeout for stage in stages) + 60,
        after=after,
        parent=parent,
    )
