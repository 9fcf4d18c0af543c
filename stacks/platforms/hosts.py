"""Machines that exist already: own racks, rented machines."""

from __future__ import annotations

import ipaddress
import shlex
import socket
from pathlib import Path

import pulumi

from components.machine import Installation, Jump, Machine, proxy_command
from stacks.platforms.keys import check_agent, expanded, private_key
from stacks.platforms.known_hosts import KnownHosts
from stacks.settings.errors import SettingsError
from stacks.settings.machine import MachineSettings
from stacks.settings.ssh import JumpSettings, SshSettings
from stacks.settings.stack import Settings

DIRECT = "none"
"""In place of a jump host: none, as OpenSSH has it."""


def machines(
    settings: Settings,
    stack: str,
    installation: Installation,
    *,
    passphrase: pulumi.Output[str] | None = None,
    sudo_password: pulumi.Output[str] | None = None,
) -> list[Machine]:
    """The machines of the settings, with the user's key and the host keys known for them.

    Args:
        settings: checked settings.
        stack: the deployment's own name on machines.
        installation: the runtime's.
        passphrase: of the user's key, a secret.
        sudo_password: what sudo asks the login for, a secret.

    Raises:
        SettingsError: key, agent or host key missing or of no use; an address that no IPv4 packet reaches.
    """
    own, known_file = settings.ssh, expanded(settings.ssh.known_hosts_file)
    known = KnownHosts(known_file.read_text() if known_file.is_file() else "")
    key = None
    if own.agent:
        check_agent()
    else:
        _passphrase_is_of_use(settings, passphrase)
        agent = f"load it into an agent (`ssh-add {own.private_key_file}`) and set ssh.agent: true in its place"
        passphrase_remedy = (
            "give it by `pulumi config set --secret sshKeyPassphrase`, or " if settings.runtime == "native" else ""
        )
        remedy = f"{passphrase_remedy}{agent}"
        key = private_key(own, passphrase=passphrase is not None, remedy=remedy)
    found = []
    for machine in settings.machines:
        between = _jump_of(settings.ssh, machine)
        _has_ipv4(f"machines: {machine.name}'s address", machine.address, seen_from_here=between is None)
        found.append(
            Machine(
                name=machine.name,
                address=machine.address,
                peer_address=machine.peer_address,
                user=own.user,
                port=machine.port,
                private_key=key,
                host_key=_host_key(machine.name, machine.address, machine.port, known, known_file),
                stack=stack,
                ssh_options=_options(own, between),
                installation=installation,
                passphrase=passphrase,
                sudo_password=sudo_password,
                jump=_jump(own, between, known, known_file, (key, passphrase)) if between else None,
            )
        )
    return found


def _passphrase_is_of_use(settings: Settings, passphrase: pulumi.Output[str] | None) -> None:
    """Docker's connection runs the `ssh` program, which takes an agent and no passphrase."""
    if passphrase is not None and settings.runtime == "docker":
        file = settings.ssh.private_key_file
        raise SettingsError(
            "sshKeyPassphrase: with runtime docker, Docker's own SSH connection can't take it; load the key into an "
            f"agent (`ssh-add {file}`), set ssh.agent: true in place of privateKeyFile, and take sshKeyPassphrase out"
        )


def _jump_of(own: SshSettings, machine: MachineSettings) -> JumpSettings | None:
    between = machine.proxy_jump or own.proxy_jump
    return None if between is None or between.address == DIRECT else between


Key = tuple[pulumi.Output[str] | None, pulumi.Output[str] | None]
"""A private key, None for the agent's, and its passphrase."""


def _jump(ssh: SshSettings, between: JumpSettings, known: KnownHosts, known_file: Path, own: Key) -> Jump:
    _has_ipv4("ssh.proxyJump", between.address, seen_from_here=True)
    key, passphrase = (private_key(ssh, file=between.private_key_file), None) if between.private_key_file else own
    return Jump(
        address=between.address,
        user=between.user or ssh.user,
        port=between.port,
        private_key=key,
        host_key=_host_key("the jump host", between.address, between.port, known, known_file),
        passphrase=passphrase,
    )


def _options(ssh: SshSettings, between: JumpSettings | None) -> tuple[str, ...]:
    """What makes the `ssh` program use the same keys, the same host keys and the same host between."""
    words = ("-F", "none", *_identity(ssh, ssh.private_key_file))
    if between is None:
        return words
    through = proxy_command(
        _identity(ssh, between.private_key_file or ssh.private_key_file),
        between.user or ssh.user,
        between.address,
        between.port,
    )
    return (*words, "-o", f"ProxyCommand={through}")


def _identity(ssh: SshSettings, file: str) -> tuple[str, ...]:
    key = ("-o", "IdentityFile=none") if ssh.agent else ("-i", str(expanded(file)), "-o", "IdentitiesOnly=yes")
    known = str(expanded(ssh.known_hosts_file)).replace("%", "%%")
    return (
        *key,
        *("-o", f'UserKnownHostsFile="{known}"' if " " in known else f"UserKnownHostsFile={known}"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "ServerAliveInterval=10"),
    )


def _host_key(name: str, address: str, port: int, known: KnownHosts, file: Path) -> str:
    """`TYPE BASE64` of a machine's host key."""
    key = known.key(address, port)
    add = f"ssh-keyscan -t ed25519,ecdsa -p {port} {address} >> {file}"
    if key is None and (types := known.types(address, port)):
        raise SettingsError(
            f"ssh.knownHostsFile: {file} holds only a key of type {', '.join(types)} for {name} "
            f"({address}), which Pulumi asks for by a name that OpenSSH 8.8 and newer refuse; compare the "
            "machine's own fingerprint, then add its ed25519 key: ssh-keyscan -t ed25519 "
            f"-p {port} {address} >> {file} (a machine without one makes it with `ssh-keygen -A`)"
        )
    if key is None:
        raise SettingsError(
            f"ssh.knownHostsFile: {file} holds no key for {name} ({address}); compare the machine's own fingerprint, "
            f"then add it: {add}"
        )
    return key


def _has_ipv4(what: str, address: str, *, seen_from_here: bool) -> None:
    """Refuses a name that has IPv6 addresses only; one that isn't found yet may come, and the machine is waited for."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        pass
    else:
        return
    if not seen_from_here:
        return
    try:
        families = {family for family, *_ in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)}
    except OSError:
        return
    if socket.AF_INET not in families:
        raise SettingsError(
            f"{what}: {address} has IPv6 addresses only, which this version does not reach machines by; give it an "
            "IPv4 address too, or name one"
        )


def ssh_command(own: SshSettings, machine: MachineSettings) -> str:
    """A command that opens a machine."""
    known = f"-o UserKnownHostsFile={own.known_hosts_file}"
    words = [] if own.agent else [f"-i {own.private_key_file}"]
    words.append(known)
    if between := _jump_of(own, machine):
        key = "" if own.agent else f"-i {between.private_key_file or own.private_key_file} "
        target = shlex.quote(f"{between.user or own.user}@{between.address}")
        words.append(f"-o 'ProxyCommand=ssh {key}{known} -p {between.port} -W %h:%p {target}'")
    return f"ssh {' '.join(words)} -p {machine.port} {own.user}@{machine.address}"
