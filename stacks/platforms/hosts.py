"""Machines that exist already: own racks, rented machines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pulumi

from components.remote import Machine
from stacks.platforms.keys import expanded, private_key
from stacks.schema import MachineSettings, Settings, SshSettings
from stacks.settings import SettingsError

PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-rsa")
"""Host key types, best first."""


def machines(settings: Settings) -> list[Machine]:
    """The machines of the settings, with the user's key and the host keys known for them.

    Raises:
        SettingsError: key file or host key missing.
    """
    key, known_hosts = private_key(settings.ssh), expanded(settings.ssh.known_hosts_file)
    return [
        Machine(
            name=machine.name,
            address=machine.address,
            peer_address=machine.peer_address,
            user=settings.ssh.user,
            port=machine.port,
            private_key=key,
            host_key=_host_key(machine, known_hosts),
            ssh_options=_options(settings.ssh),
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


def _host_key(machine: MachineSettings, known_hosts: Path) -> str:
    """`TYPE BASE64` of the machine's host key; `ssh-keygen` reads hashed names too."""
    name = machine.address if machine.port == 22 else f"[{machine.address}]:{machine.port}"
    found = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", str(known_hosts)], capture_output=True, text=True, check=False
    )
    keys = [line.split()[1:3] for line in found.stdout.splitlines() if not line.startswith("#")]
    keys.sort(key=lambda k: PREFERRED.index(k[0]) if k[0] in PREFERRED else len(PREFERRED))
    if not keys:
        raise SettingsError(
            f"ssh.knownHostsFile: {known_hosts} holds no key for {machine.name} ({name}); compare the machine's own "
            f"fingerprint, then add it: ssh-keyscan -t ed25519 -p {machine.port} {machine.address} >> {known_hosts}"
        )
    return " ".join(keys[0])


def ssh(settings: Settings, machine: Machine) -> pulumi.Output[str]:
    """A command that opens a machine."""
    own = settings.ssh
    return pulumi.Output.concat(
        f"ssh -i {own.private_key_file} -o UserKnownHostsFile={own.known_hosts_file} -p {machine.port} {machine.user}@",
        machine.address,
    )
