"""How machines of one's own are reached: by a few settings, which are read also where others don't hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from stacks.doctor.stack import Stack
from stacks.settings.base import SettingsModel
from stacks.settings.machine import MachineSettings
from stacks.settings.ssh import SshSettings

Section = TypeVar("Section", bound=SettingsModel)
MACHINE = ("name", "address", "port", "privateAddress", "proxyJump")
"""What of a machine's settings says where it is."""
SSH = tuple(each.alias or name for name, each in SshSettings.model_fields.items())


@dataclass(frozen=True)
class Reach:
    """Machines that exist already, and how SSH opens them.

    Attributes:
        machines: by their place among those that serve; one whose own settings don't hold is left out.
        ssh: the login.
    """

    machines: Mapping[int, MachineSettings]
    ssh: SshSettings


def reach_of(stack: Stack) -> Reach | None:
    """How a stack's own machines are reached; None where it rents them, or where these settings themselves don't hold.

    A mistake elsewhere, such as a split that does not fit, is no reason not to look at machines.
    """
    if stack.rents:
        return None
    if stack.settings:
        return Reach(dict(enumerate(stack.settings.machines)), stack.settings.ssh)
    ssh = _read(SshSettings, _decoded(stack, "ssh"), SSH)
    listed = _decoded(stack, "machines")
    if ssh is None or not isinstance(listed, list):
        return None
    machines = {number: _read(MachineSettings, each, MACHINE) for number, each in enumerate(listed)}
    return Reach({number: each for number, each in machines.items() if each}, ssh)


def _decoded(stack: Stack, name: str) -> Any:  # noqa: ANN401  # JSON is any
    try:
        return json.loads(stack.values.get(name, ""))
    except ValueError:
        return None


def _read(kind: type[Section], given: Any, names: Sequence[str]) -> Section | None:  # noqa: ANN401  # JSON is any
    """A section by the settings that are named; None where these don't hold."""
    if not isinstance(given, dict):
        return None
    try:
        return kind.model_validate({name: given[name] for name in names if name in given})
    except ValidationError:
        return None
