"""Machines that exist already: own racks, rented machines."""

from __future__ import annotations

from pathlib import Path

import pulumi

from components.remote import BASE, Machine
from stacks.platforms.keys import expanded, private_key
from stacks.platforms.known_hosts import KnownHosts
from stacks.schema import MachineSettings, Settings, SshSettings
from stacks.settings import SettingsError


def machines(settings: Settings) -> list[Machine]:
    """The machines of the settings, with the user's key and the host keys known for them.

    Raises:
        SettingsError: key file or host key missing.
    """
    key, known_file = private_key(settings.ssh), expanded(settings.ssh.known_hosts_file)
    known = KnownHosts(known_file.read_text() if known_file.is_file() else "")
    return [
        Machine(
            name=machine.name,
            address=machine.address,
            peer_address=machine.peer_address,
            user=settings.ssh.user,
            port=machine.port,
            private_key=key,
            host_key=_host_key(machine, known, known_file),
            ssh_options=_options(settings.ssh),
            base=settings.native.folder if settings.runtime == "native" else BASE,
            borrowed=settings.runtime == "native",
        )
        for machine in settings.machines
    ]


def _options(ssh: SshSettings) -> tuple[str, ...]:
    """What makes the `ssh` program use the same key and the same host keys."""
    return (
        "-F",
        "none",
        "-i",
        str(expanded(ssh.private_key_file)),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        f"UserKnownHostsFile={expanded(ssh.known_hosts_file)}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "ServerAliveInterval=10",
    )


def _host_key(machine: MachineSettings, known: KnownHosts, file: Path) -> str:
    """`TYPE BASE64` of the machine's host key."""
    key = known.key(machine.address, machine.port)
    if key is None and (types := known.types(machine.address, machine.port)):
        raise SettingsError(
            f"ssh.knownHostsFile: {file} holds only a key of type {', '.join(types)} for {machine.name} "
            f"({machine.address}), which Pulumi asks for by a name that OpenSSH 8.8 and newer refuse; compare the "
            "machine's own fingerprint, then add its ed25519 key: ssh-keyscan -t ed25519 "
            f"-p {machine.port} {machine.address} >> {file} (a machine without one makes it with `ssh-keygen -A`)"
        )
    if key is None:
        raise SettingsError(
            f"ssh.knownHostsFile: {file} holds no key for {machine.name} ({machine.address}); compare the machine's "
            f"own fingerprint, then add it: ssh-keyscan -t ed25519 -p {machine.port} {machine.address} >> {file}"
        )
    return key


def ssh(settings: Settings, machine: Machine) -> pulumi.Output[str]:
    """A command that opens a machine."""
    own = settings.ssh
    return pulumi.Output.concat(
        f"ssh -i {own.private_key_file} -o UserKnownHostsFile={own.known_hosts_file} -p {machine.port} {machine.user}@",
        machine.address,
    )
