"""Settings of how machines are reached: login, keys, agent, jump host. Every word here reaches `ssh`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from stacks.settings.base import Port, SettingsModel

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\$?")


def _address(value: str) -> str:
    """The same address.

    Raises:
        ValueError: it is neither an IPv4 address nor a host name.
    """
    bare = value.strip("[]").partition("%")[0]
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        pass
    else:
        raise ValueError(
            f"{value} is an IPv6 address, which this version does not reach machines by; give the machine's IPv4 "
            "address, or a name that has one"
        )
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no address or host name; write it like 10.0.0.1 or gpu-0.example, without user, port "
            "or blanks"
        )
    return value


def _login(value: str) -> str:
    if not _LOGIN.fullmatch(value):
        raise ValueError(f"{value!r} is no login name; letters, digits and . _ - only, such as root or ubuntu")
    return value


Address = Annotated[str, AfterValidator(_address)]
"""IPv4 address or host name."""
LoginName = Annotated[str, AfterValidator(_login)]
Interface = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}$")]
"""A network interface; the kernel's IFNAMSIZ leaves 15 characters."""


class JumpSettings(SettingsModel):
    """A host between, through which machines are reached."""

    address: Address = Field(description="address or host name that SSH reaches from here")
    user: LoginName | None = Field(None, description="login there; ssh.user when left out")
    port: Port = Field(22, description="SSH port")
    private_key_file: str | None = Field(
        None, description="private key that opens it; the one that opens the machines when left out"
    )


def _jump(value: Any) -> Any:  # noqa: ANN401  # whatever stands in a stack's file
    """`user@host:port` as the settings it stands for."""
    if not isinstance(value, str):
        return value
    if "," in value:
        raise ValueError("names several hosts; one host may stand between: name the one that reaches the machines")
    user, at, rest = value.rpartition("@")
    host, colon, port = rest.rpartition(":") if rest.count(":") == 1 else (rest, "", "")
    found = {"address": host if colon else rest}
    if at:
        found["user"] = user
    if colon:
        if not port.isdecimal():
            raise ValueError(f"{port!r} is no port; write USER@HOST:PORT, such as admin@bastion.example:22")
        found["port"] = port
    return found


Jump = Annotated[JumpSettings, BeforeValidator(_jump)]
"""`user@host:port`, or an object with the same and a key of its own."""


class SshSettings(SettingsModel):
    """How machines are reached."""

    user: LoginName = Field(
        "root", description="login; anyone but root needs sudo, whose password may be the secret sudoPassword"
    )
    private_key_file: str = Field(
        "", description="private key; ~ and $VARIABLES are expanded; its passphrase may be the secret sshKeyPassphrase"
    )
    agent: bool = Field(False, description="uses the keys of the running ssh-agent instead of a private key file")
    known_hosts_file: str = Field(
        "~/.ssh/known_hosts", description="host keys, in OpenSSH's format; a machine not in it is refused"
    )
    proxy_jump: Jump | None = Field(
        None, description="a host between, USER@HOST:PORT, or an object with address, user, port and privateKeyFile"
    )

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.agent and self.private_key_file:
            raise ValueError(
                "agent and privateKeyFile: both name a key; take privateKeyFile out, and load it into the agent "
                f"instead: ssh-add {self.private_key_file}"
            )
        if not self.agent and not self.private_key_file:
            raise ValueError(
                "privateKeyFile: is missing; it is the private key that opens the machines, such as "
                "~/.ssh/id_ed25519 (or set agent: true, for the keys of the running ssh-agent)"
            )
        if self.agent and self.proxy_jump and self.proxy_jump.private_key_file:
            raise ValueError("proxyJump.privateKeyFile: the agent's keys open it with agent: true; take it out")
        return self
