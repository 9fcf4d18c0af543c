"""A machine that SSH reaches, and the lease that stands for our presence on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_command import remote

from components.remote.agent_call import agent_call
from components.remote.here import run_here
from components.remote.payload import FILES

BASE = "/var/lib/tandem"
DIAL_ERRORS = 60
"""Failed dials before a step gives up: about 4.4 minutes on a refused port, enough for a boot."""


@dataclass(frozen=True)
class Machine:
    """How one machine is reached, and what owns it.

    Attributes:
        name: short and unique; the machine's steps carry it in their names.
        address: where SSH reaches it from here.
        peer_address: where the other machines reach it.
        user: login; others than root use `sudo -n`.
        private_key: OpenSSH private key, a secret.
        host_key: the machine's public host key, `TYPE BASE64`; anything else is refused.
        ssh_options: arguments that make the `ssh` program use this key and this host key, for Docker.
        owner: when this resource is deleted the machine's own resources needn't be (`deleted_with`).
        taken: the lease's step, which comes before every other.
        identity: another value is another machine under the same name: everything on it is done anew.
        base: folder below which everything of ours lies there; `~` is the login's own.
        borrowed: we have a login there and no more: neither root nor systemd is asked for.
    """

    name: str
    address: pulumi.Input[str]
    peer_address: pulumi.Input[str]
    user: str
    port: int
    private_key: pulumi.Input[str]
    host_key: pulumi.Input[str]
    ssh_options: tuple[pulumi.Input[str], ...] = ()
    owner: pulumi.Resource | None = None
    taken: pulumi.Resource | None = None
    identity: pulumi.Input[str] | None = None
    base: str = BASE
    borrowed: bool = False

    def connection(self) -> remote.ConnectionArgs:
        """For `remote.Command`; the host key is pinned."""
        return remote.ConnectionArgs(
            host=self.address,
            port=self.port,
            user=self.user,
            private_key=self.private_key,
            host_key=self.host_key,
            dial_error_limit=DIAL_ERRORS,
            per_dial_timeout=15,
        )

    def facts(self) -> dict[str, pulumi.Input[Any]]:
        """For our own SSH calls (`agent.py`), as JSON on standard input."""
        own = {"base": self.base, "borrowed": True} if self.borrowed else {}
        return {
            **own,
            "name": self.name,
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "private_key": self.private_key,
            "host_key": self.host_key,
        }

    @property
    def sudo(self) -> str:
        """What stands before a command that needs root."""
        return "" if self.user == "root" or self.borrowed else "sudo -n "


class Lease:
    """Taken when SSH answers with the right keys; given back by removing all that is ours.

    Deleting it removes the stack's containers, units and files from the machine and says what it
    keeps. A machine that is gone can't be cleaned: that is reported, and is no error. A machine with
    an owner of its own, such as a rented one, goes with that owner, and nothing on it is cleaned.

    Attributes:
        machine: the machine, taken, and owned by this lease unless it has an owner.
    """

    def __init__(
        self,
        name: str,
        *,
        machine: Machine,
        stack: str,
        leave: Mapping[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
        parent: pulumi.Resource | None = None,
    ) -> None:
        """Takes the lease.

        Args:
            name: Pulumi name.
            machine: where.
            stack: the deployment's own name on machines.
            leave: what `leave.sh` is told when the stack is destroyed: mount point, weights to delete.
            after: what must be done before.
            parent: the component that it is a part of.
        """
        kind = "_native" if machine.borrowed else ""
        call = {
            **machine.facts(),
            **({"identity": machine.identity} if machine.identity is not None else {}),
            "stack": stack,
            "leave": {**({"BASE": machine.base} if machine.borrowed else {}), **(leave or {})},
            "scripts": {f"{f}.sh": (FILES / f"{f}{kind}.sh").read_text() for f in ("take", "leave")},
        }
        taken = run_here(
            f"{name}-taken",
            call=call,
            create=agent_call("take"),
            delete=None if machine.owner else agent_call("leave"),
            opts=pulumi.ResourceOptions(parent=parent, deleted_with=machine.owner, depends_on=list(after)),
        )
        self.machine = dataclasses.replace(machine, owner=machine.owner or taken, taken=taken)
