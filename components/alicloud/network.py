"""One VPC, a vSwitch a zone, and who may reach what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_alicloud as alicloud

from components.alicloud.security_rules import Rule, ingress

SSH_PORT = 22
INSIDE, FRONT = "inside", "front"


@dataclass(frozen=True)
class NetworkArgs:
    """What is reachable by whom.

    Attributes:
        stack: the deployment's own name; names in the account begin with it.
        tags: of everything.
        vpc_cidr: range of the VPC.
        vswitch_cidrs: range by zone.
        admin_cidrs: who may use SSH.
        allowed_cidrs: who may use the gateway.
        gateway_port: the only other port that is open.
        other_ports: but for these, beside the gateway, each to its ranges.
        vpc_id: a VPC that exists, to use instead of making one.
        vswitch_ids: vSwitches that exist, by zone.
    """

    stack: str
    tags: Mapping[str, str]
    vpc_cidr: str
    vswitch_cidrs: Mapping[str, str]
    admin_cidrs: Sequence[str]
    allowed_cidrs: Sequence[str]
    gateway_port: int
    other_ports: Mapping[int, Sequence[str]] = field(default_factory=dict)
    vpc_id: str | None = None
    vswitch_ids: Mapping[str, str] = field(default_factory=dict)

    def rules(self) -> dict[str, list[Rule]]:
        """What each security group lets in, by the group's name in the account, and nothing else does."""
        found: dict[str, list[Rule]] = {f"{self.stack}-{group}": [] for group in (INSIDE, FRONT)}
        for group, _, port, cidr in self.openings():
            found[f"{self.stack}-{group}"].append(ingress(port, cidr))
        return found

    def openings(self) -> Iterator[tuple[str, str, int, str]]:
        """Group, name, port and range of each rule: the one list by which they are declared and watched."""
        for label, group, port, ranges in (
            ("ssh", INSIDE, SSH_PORT, self.admin_cidrs),
            ("gateway", FRONT, self.gateway_port, self.allowed_cidrs),
            *((f"port-{port}", FRONT, port, ranges) for port, ranges in self.other_ports.items()),
        ):
            for number, cidr in enumerate(ranges):
                yield group, f"{label}-{number}", port, cidr


class Network(pulumi.ComponentResource):
    """Inside, machines of a deployment reach each other on every port; from outside only SSH and the gateway.

    Attributes:
        vpc_id: the VPC.
        vswitches: the vSwitch's id by zone.
        inside: the security group of every machine: each other, and SSH from the administrators.
        front: the security group of the machine with the gateway.
    """

    vpc_id: pulumi.Input[str]

    def __init__(
        self,
        name: str,
        *,
        args: NetworkArgs,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the network.

        Args:
            name: Pulumi name.
            args: what is reachable by whom.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:alicloud:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        self.vpc_id = (
            args.vpc_id
            or alicloud.vpc.Network(
                f"{name}-vpc",
                vpc_name=args.stack,
                cidr_block=args.vpc_cidr,
                description="Tandem",
                tags=args.tags,
                opts=child,
            ).id
        )
        self.vswitches: dict[str, pulumi.Input[str]] = {}
        for zone, cidr in args.vswitch_cidrs.items():
            own = args.vswitch_ids.get(zone)
            self.vswitches[zone] = (
                own
                or alicloud.vpc.Switch(
                    f"{name}-vswitch-{zone.rsplit('-', 1)[-1]}",
                    vpc_id=self.vpc_id,
                    zone_id=zone,
                    cidr_block=cidr,
                    vswitch_name=f"{args.stack}-{zone}",
                    tags=args.tags,
                    opts=child,
                ).id
            )
        inside = alicloud.ecs.SecurityGroup(
            f"{name}-inside",
            vpc_id=self.vpc_id,
            security_group_name=f"{args.stack}-inside",
            description="Machines of one deployment",
            inner_access_policy="Accept",
            tags=args.tags,
            opts=child,
        )
        front = alicloud.ecs.SecurityGroup(
            f"{name}-front",
            vpc_id=self.vpc_id,
            security_group_name=f"{args.stack}-front",
            description="The gateway",
            inner_access_policy="Drop",
            tags=args.tags,
            opts=child,
        )
        self.inside, self.front = inside.id, front.id
        groups = {INSIDE: self.inside, FRONT: self.front}
        for group, label, port, cidr in args.openings():
            _open(f"{name}-{label}", groups[group], port, cidr, child)
        self.register_outputs({"vpcId": self.vpc_id})


def _open(name: str, group: pulumi.Output[str], port: int, cidr: str, opts: pulumi.ResourceOptions) -> None:
    alicloud.ecs.SecurityGroupRule(
        name,
        security_group_id=group,
        type="ingress",
        ip_protocol="tcp",
        port_range=f"{port}/{port}",
        cidr_ip=cidr,
        nic_type="intranet",
        policy="accept",
        priority=1,
        opts=opts,
    )
