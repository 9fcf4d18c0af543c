"""A change of a machine by which one could lock oneself out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.machine.agent_call import agent_call
from components.machine.delivery import delivery
from components.machine.local_command import local_command
from components.machine.machine import Machine

CONFIRM_SECONDS = 60
"""How long a change waits for a new SSH connection before the machine takes it back."""


def confirmed_change(
    name: str,
    *,
    machine: Machine,
    script: Path,
    files: Mapping[str, Path],
    environment: Mapping[str, pulumi.Input[str]],
    program: str,
    after: Sequence[pulumi.Resource] = (),
    parent: pulumi.Resource,
) -> pulumi.Resource:
    """Declares the change: made over one SSH connection, confirmed over another, taken back with the resource.

    Args:
        name: Pulumi name; starts with the machine's.
        machine: where; its steps run as root.
        script: makes the change, as a step does, and a timer that takes it back in CONFIRM_SECONDS.
        files: what lies beside the script.
        environment: variables of the script.
        program: what the script leaves below the deployment's folder; called with `confirm`, and at the end `off`.
        after: what must be done before.
        parent: the component that it is a part of.
    """
    step = name.removeprefix(f"{machine.name}-")
    work = delivery(
        machine,
        step,
        script=script,
        files=files,
        variables={**environment, "CONFIRM_SECONDS": str(CONFIRM_SECONDS), "TANDEM_TIMEOUT": "120"},
    )
    call = {
        **work.call,
        "seconds": CONFIRM_SECONDS,
        "confirm": [f"{machine.folder}/{program}", "confirm"],
        "back": [f"{machine.folder}/{program}", "off"],
    }
    return local_command(
        name,
        call=call,
        create=work.agent_command("change"),
        delete=agent_call("change-back"),
        # Another machine under the same name has nothing of it.
        triggers=[machine.identity] if machine.identity is not None else [],
        opts=pulumi.ResourceOptions(
            parent=parent,
            deleted_with=machine.owner,
            depends_on=[*after, *([machine.acquired] if machine.acquired else [])],
        ),
    )
