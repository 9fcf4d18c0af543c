"""The machines of a stack, by settings and state, and how SSH reaches them; also of one that is only half up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.alicloud.compute import ssh_command as cloud_ssh
from components.machine import BASE
from stacks.doctor.reach import Reach, reach_of
from stacks.doctor.stack import Stack
from stacks.platforms.hosts import ssh_command as hosts_ssh
from stacks.settings.machine import MachineSettings
from stacks.settings.native import NativeSettings
from stacks.settings.stack import Settings

FETCHER = "fetcher"
INSTANCE = "alicloud:ecs/instance:Instance"


@dataclass(frozen=True)
class Place:
    """A machine.

    Attributes:
        name: in the settings.
        ssh: a command line that opens it.
        address: where it is reached from here.
        peer_address: where the others reach it; empty where that isn't known.
        port: of SSH.
        number: its place among those that serve; None for the fetcher.
        between: whether a host stands between it and this computer.
    """

    name: str
    ssh: str
    address: str
    peer_address: str
    port: int = 22
    number: int | None = None
    between: bool = False

    @property
    def user(self) -> str:
        """The login that the command line names."""
        return self.ssh.rpartition("@")[0].rpartition(" ")[2]


def places_of(stack: Stack) -> list[Place]:
    """All machines that are there, those that serve first."""
    if reach := reach_of(stack):
        return [_own(reach, number, each) for number, each in reach.machines.items()]
    settings = stack.settings
    if settings is None:
        machines: Mapping[str, str] = stack.outputs.get("machines") or {}
        return [
            Place(name, ssh, ssh.rpartition("@")[2], "", number=number)
            for number, (name, ssh) in enumerate(machines.items())
        ]
    found = [
        _rented(stack, settings, each.name.removesuffix("-instance"), each.outputs) for each in stack.of_kind(INSTANCE)
    ]
    return sorted((each for each in found if each), key=lambda each: 10**6 if each.number is None else each.number)


def _own(reach: Reach, number: int, machine: MachineSettings) -> Place:
    ssh = hosts_ssh(reach.ssh, machine)
    return Place(
        machine.name, ssh, machine.address, machine.peer_address, machine.port, number, between="ProxyCommand=" in ssh
    )


def _rented(stack: Stack, settings: Settings, name: str, instance: Mapping[str, Any]) -> Place | None:
    made, own = stack.named(f"{name}-host-keys-made"), stack.named(f"{name}-address")
    address = str((own.outputs.get("ipAddress") if own else "") or instance.get("publicIp") or "")
    if not made or not address:
        return None
    public = str(json.loads(made.outputs["stdout"])["own"]["public"])
    return Place(
        name,
        cloud_ssh(settings.ssh.private_key_file, address, public),
        address,
        str(instance.get("primaryIpAddress") or ""),
        number=None if name == FETCHER else int(name.rpartition("-")[2]),
    )


def folder_of(stack: Stack) -> str:
    """The deployment's folder on every machine."""
    base = (stack.settings.native if stack.settings else NativeSettings()).folder if stack.native else BASE  # type: ignore[call-arg]
    return f"{base}/{stack.full}"
