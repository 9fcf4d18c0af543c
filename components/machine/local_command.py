"""Programs of ours that run here, beside the engine, rather than on a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_input


def local_command(
    name: str,
    *,
    call: Mapping[str, pulumi.Input[Any]],
    create: pulumi.Input[str] = "true",
    update: pulumi.Input[str] | None = None,
    delete: pulumi.Input[str] | None = None,
    triggers: Sequence[pulumi.Input[Any]] = (),
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """Declares a run of a program, with `call` as JSON on its standard input.

    Args:
        name: Pulumi name.
        call: its input; secret as a whole.
        create: the command at creation, and whenever the call changes if there is no `update`.
        update: the command whenever the call changes.
        delete: the command at deletion.
        triggers: another value runs it anew, as a replacement.
        opts: Pulumi options.
    """
    return local.Command(
        name,
        create=create,
        update=update,
        delete=delete,
        stdin=agent_input(call),
        triggers=list(triggers) or None,
        add_previous_output_in_env=False,
        opts=opts,
    )
