"""Programs of ours that look at a URL as people reach it, once what serves it has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_command import local

from components.machine.local_command import local_command
from components.machine.machine import Jump


def url_probe(
    name: str,
    *,
    program: str,
    call: Mapping[str, pulumi.Input[Any]],
    authority: pulumi.Input[str],
    trigger: pulumi.Input[str],
    through: Jump | None,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> local.Command:
    """Declares the look; files/probe.py is what such programs share.

    Args:
        name: Pulumi name.
        program: relative to the project, so that the state names no folder of one user's.
        call: its input, `url` and what else it needs.
        authority: what the certificate is verified with, PEM; empty for this computer's public ones.
        trigger: changes whenever what serves has changed, so that it is asked again.
        through: the host between, from which it is asked; None to ask from here.
        after: what must be done before.
        parent: the component that it is a part of.
    """
    return local_command(
        name,
        create=pulumi.Output.concat(f"python3 {program} ", trigger),
        call={**call, "authority": authority, **({"through": through.facts()} if through else {})},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )
