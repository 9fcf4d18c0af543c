"""Inner ports of a machine, closed for all but the deployment's own machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.host.host import Host
from components.machine import confirmed_change

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class FirewallArgs:
    """What is closed on one machine.

    Attributes:
        closed: ports as FIRST or FIRST-LAST, to which come the kernel's ephemeral ones.
        open: ports that stay open though they be ephemeral, in the same form.
        allowed_cidrs: who may reach the closed ones, beside the machines.
    """

    closed: Sequence[str]
    open: Sequence[str]
    allowed_cidrs: Sequence[str]


def addresses_of(members: Sequence[Host]) -> pulumi.Output[list[str]]:
    """All addresses of all hosts, once for every table: engines may use another interface than machines know."""
    return pulumi.Output.all(
        *(member.machine.peer_address for member in members), *(member.addresses for member in members)
    ).apply(lambda known: sorted({address for words in known for address in words.split(",") if address}))


def close_inner_ports(
    host: Host, *, members: Sequence[Host], addresses: pulumi.Output[list[str]], args: FirewallArgs
) -> pulumi.Resource:
    """Declares the table of one host: its own, beside whatever other rules the machine has.

    Args:
        host: where; it has root.
        members: all hosts of the deployment.
        addresses: theirs, by `addresses_of`.
        args: what is closed.
    """
    return confirmed_change(
        f"{host.machine.name}-firewall",
        machine=host.machine,
        script=FILES / "firewall.sh",
        files={name: FILES / name for name in ("firewall.py", "firewall_state.sh", "ports.py")},
        environment={
            "CLOSED": " ".join(args.closed),
            "OPEN": " ".join(args.open),
            "MEMBERS": addresses.apply(lambda found: " ".join([*found, *args.allowed_cidrs])),
        },
        program="firewall/firewall_state.sh",
        after=[member.prepared for member in members],
        parent=host,
    )
