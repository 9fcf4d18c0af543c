"""How `agent.py`, which speaks SSH from this side, is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from components.machine.inputs import combined

AGENT = "components/machine/agent.py"


def agent_call(*words: str) -> str:
    """A command for `local.Command`; relative to the project, so the state names no folder of one user's."""
    return " ".join(["python3", AGENT, *words])


def agent_input(call: Mapping[str, pulumi.Input[Any]]) -> pulumi.Output[str]:
    """The call itself for standard input: JSON, secret as a whole since it holds keys."""
    return hide(combined(call).apply(lambda known: json.dumps(known, sort_keys=True)))


def hide(text: pulumi.Output[str]) -> pulumi.Output[str]:
    """The same text, secret."""
    secret: pulumi.Output[str] = pulumi.Output.secret(text)
    return secret
