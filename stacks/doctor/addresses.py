"""The machines of a stack, by settings and state, and how SSH reaches them; also of one that is only half up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.alicloud.compute import ssh_command as cloud_ssh
from components.machine import BASE
from stacks.doctor.stack import Stack
from stacks.platforms.hosts import ssh_command as hosts_ssh
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


def places_of(stack: Stack) -> list[Place]:
    """All machines that are there, those that serve first."""
    settings = stack.settings
    if settings is None:
        machines: Mapping[str, str] = stack.outputs.get("machines") or {}
        return [
            Place(name, ssh, ssh.rpartition("@")[2], "", number=number)
            for number, (name, ssh) in enumerate(machines.items())
        ]
    if settings.platform == "hosts":
        return [
            Place(
                each.name, hosts_ssh(settings, each), each.address, each.peer_address, each.port, number,
                between="ProxyCommand=" in hosts_ssh(settings, each),
            )
            for number, each in enumerate(settings.machines)
        ]  # fmt: skip
    found = [
        _rented(stack, settings, each.name.removesuffix("-instance"), each.outputs) for each in stack.of_kind(INSTANCE)
    ]
    return sorted((each for each in found if each), key=lambda each: 10**6 if each.number is None else each.number)


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
    native = stack.settings is not None and stack.settings.runtime == "native"
    base = stack.settings.native.folder if stack.settings and native else BASE
    return f"{base}/{stack.full}"
