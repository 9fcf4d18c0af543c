"""A machine that SSH reaches, and the lease that stands for what lies on it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_command import remote

from components.machine.agent_call import agent_call
from components.machine.host_key import HostKeys
from components.machine.installation import PROJECT, Installation, content
from components.machine.local_command import local_command
from components.machine.standalone import content_hash, sudo_stdin, sudo_words

DIAL_ERRORS = 60
"""Failed dials before a step gives up: about 4.4 minutes on a refused port, enough for a boot."""


@dataclass(frozen=True)
class Jump:
    """A host between: SSH to the machine goes through it.

    Attributes:
        address: where SSH reaches it from here.
        user: login there; it needs no rights but to forward.
        port: SSH port.
        private_key: OpenSSH private key, a secret; None for the keys of the running ssh-agent.
        host_key: its public host key, `TYPE BASE64`.
        passphrase: opens the private key, a secret.
    """

    address: str
    user: str
    port: int
    private_key: pulumi.Input[str] | None
    host_key: str
    passphrase: pulumi.Input[str] | None = None

    def facts(self) -> dict[str, Any]:
        """As `Machine.facts`."""
        own = {"passphrase": self.passphrase} if self.passphrase is not None else {}
        return {
            **own,
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "private_key": self.private_key,
            "host_key": self.host_key,
        }


@dataclass(frozen=True)
class Machine:
    """How one machine is reached, and what owns it.

    Attributes:
        name: short and unique; the machine's steps carry it in their names.
        address: where SSH reaches it from here.
        peer_address: where the other machines reach it.
        user: login; others than root use sudo.
        private_key: OpenSSH private key, a secret; None for the keys of the running ssh-agent.
        host_key: the machine's public host key, `TYPE BASE64`; anything else is refused.
        ssh_options: arguments that make the `ssh` program use this key and this host key, for Docker.
        stack: the deployment's own name on machines.
        owner: when this resource is deleted the machine's own resources needn't be (`deleted_with`).
        acquired: the lease's command, which comes before every other.
        identity: another value is another machine under the same name: everything on it is done anew.
        installation: where on it Tandem works, and with which rights.
        passphrase: opens the private key, a secret; None where it has none.
        sudo_password: what sudo asks the login for, a secret; None where it asks for none.
        jump: the host to go through; None where SSH reaches the machine from here.
    """

    name: str
    address: pulumi.Input[str]
    peer_address: pulumi.Input[str]
    user: str
    port: int
    private_key: pulumi.Input[str] | None
    host_key: pulumi.Input[str]
    stack: str
    ssh_options: tuple[pulumi.Input[str], ...] = ()
    owner: pulumi.Resource | None = None
    acquired: pulumi.Resource | None = None
    identity: pulumi.Input[str] | None = None
    installation: Installation = field(default_factory=Installation)
    passphrase: pulumi.Input[str] | None = None
    sudo_password: pulumi.Input[str] | None = None
    jump: Jump | None = None

    @property
    def folder(self) -> str:
        """All files of this deployment on the machine lie below it; may begin with `~`, the login's own folder."""
        return f"{self.installation.base}/{self.stack}"

    def connection(self) -> remote.ConnectionArgs:
        """For `remote.Command`; host keys are pinned.

        Without a private key it uses the agent that SSH_AUTH_SOCK names where the plugin runs: a path in the state
        would be another one at the next login.
        """
        jump = self.jump
        return remote.ConnectionArgs(
            host=self.address,
            port=self.port,
            user=self.user,
            private_key=self.private_key,
            private_key_password=self.passphrase,
            host_key=self.host_key,
            dial_error_limit=DIAL_ERRORS,
            per_dial_timeout=15,
            proxy=remote.ProxyConnectionArgs(
                host=jump.address,
                port=jump.port,
                user=jump.user,
                private_key=jump.private_key,
                private_key_password=jump.passphrase,
                host_key=jump.host_key,
                dial_error_limit=DIAL_ERRORS,
                per_dial_timeout=15,
            )
            if jump
            else None,
        )

    def facts(self) -> dict[str, pulumi.Input[Any]]:
        """For our own SSH calls (`agent.py`), as JSON on standard input."""
        own: dict[str, pulumi.Input[Any]] = {} if self.installation.root else {"root": False}
        for name in ("passphrase", "sudo_password"):
            if getattr(self, name) is not None:
                own[name] = getattr(self, name)
        if self.jump:
            own["jump"] = self.jump.facts()
        return {
            **own,
            "name": self.name,
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "private_key": self.private_key,
            "host_key": self.host_key,
        }

    def as_root(self, words: Sequence[str]) -> str:
        """The command line that runs a program as root, or as the login where that is all we have."""
        return shlex.join([*sudo_words(self._login()), *words])

    def root_stdin(self, text: pulumi.Input[str]) -> pulumi.Output[str]:
        """What `as_root` wants on its standard input so that the program reads `text`."""
        if self.sudo_password is None:
            return text if isinstance(text, pulumi.Output) else pulumi.Output.from_input(text)
        before = pulumi.Output.from_input(self.sudo_password).apply(
            lambda password: sudo_stdin({**self._login(), "sudo_password": password})
        )
        return pulumi.Output.concat(before, text)

    def _login(self) -> dict[str, Any]:
        return {"user": self.user, "root": self.installation.root, "sudo_password": self.sudo_password is not None}


class Lease:
    """Acquired when SSH answers with the pinned host key; its deletion removes all that the deployment left there.

    Deleting it removes the stack's containers, units and files from the machine and says what it
    keeps. A machine that is gone can't be cleaned: that is reported, and is no error. A machine with
    an owner of its own, such as a rented one, goes with that owner, and nothing on it is cleaned.

    Attributes:
        machine: the machine, acquired, and owned by this lease unless it has an owner.
    """

    def __init__(
        self,
        name: str,
        *,
        machine: Machine,
        host_keys: HostKeys | None = None,
        cleanup: Mapping[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
        parent: pulumi.Resource | None = None,
    ) -> None:
        """Acquires the machine.

        Args:
            name: Pulumi name.
            machine: where.
            host_keys: of a machine that was made with the first of them; it is replaced by the own one, once in the
                machine's life, and never trusted again.
            cleanup: variables of `cleanup.sh`, which runs when the stack is destroyed: mount point, weights to delete.
            after: what must be done before.
            parent: the component that it is a part of.
        """
        scripts = machine.installation.script_files()
        call = {
            **machine.facts(),
            **({"identity": machine.identity} if machine.identity is not None else {}),
            "stack": machine.stack,
            "base": machine.installation.base,
            "cleanup": dict(cleanup or {}),
            "script_files": scripts,
            "digest": content_hash({name: content(PROJECT / name) for names in scripts.values() for name in names}, {}),
        }
        new: dict[str, pulumi.Input[Any]] = {}
        if host_keys:
            new = {"first_host_key": host_keys.first.public, "own_host_key": host_keys.own.private}
        acquired = local_command(
            name,
            call={**call, **new},
            create=agent_call("acquire-new" if host_keys else "acquire"),
            update=agent_call("acquire") if host_keys else None,
            # Another machine under this name begins with its first host key.
            triggers=[machine.identity] if host_keys and machine.identity is not None else [],
            delete=None if machine.owner else agent_call("cleanup"),
            opts=pulumi.ResourceOptions(parent=parent, deleted_with=machine.owner, depends_on=list(after)),
        )
        self.machine = dataclasses.replace(machine, owner=machine.owner or acquired, acquired=acquired)
