"""Inner ports of a machine, closed for all but the deployment's own machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.host.host import Host
from components.machine import confirmed_change, local_command

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
    """All addresses of all hosts, known once all are prepared: engines may use another interface than machines know.

    They pass through one resource, which each table depends on instead of on all hosts: with 64 hosts that is 64
    dependencies rather than 4,096, and the SDK walks them for whatever waits for the tables (docs/decisions/0017).
    """
    known = pulumi.Output.all(
        *(member.machine.peer_address for member in members), *(member.addresses for member in members)
    ).apply(lambda found: sorted({address for words in found for address in words.split(",") if address}))
    joined = local_command(
        "inner-addresses",
        call={"addresses": known},
        create="cat",
        opts=pulumi.ResourceOptions(parent=members[0], depends_on=[member.prepared for member in members]),
    )
    # A call is secret as a whole, since others hold keys; addresses are none.
    return pulumi.Output.unsecret(joined.stdout).apply(lambda text: list(json.loads(text)["addresses"]))


def close_inner_ports(host: Host, *, addresses: pulumi.Output[list[str]], args: FirewallArgs) -> pulumi.Resource:
    """Declares the table of one host: its own, beside whatever other rules the machine has.

    Args:
        host: where; it has root.
        addresses: of all hosts of the deployment, by `addresses_of`.
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
        after=[host.prepared],
        parent=host,
    )
