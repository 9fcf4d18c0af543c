"""One VPC, a vSwitch a zone, and who may reach what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_alicloud as alicloud

from components.alicloud.doors import Door, into

SSH_PORT = 22


class Network(pulumi.ComponentResource):
    """Inside, machines of a deployment reach each other on every port; from outside only SSH and the gateway.

    Attributes:
        vpc_id: the VPC.
        vswitches: the vSwitch's id by zone.
        inside: the security group of every machine: each other, and SSH from the administrators.
        front: the security group of the machine with the gateway.
        doors: what each group lets in, by its name, and nothing else does.
    """

    vpc_id: pulumi.Input[str]

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        tags: Mapping[str, str],
        vpc_cidr: str,
        vswitch_cidrs: Mapping[str, str],
        admin_cidrs: Sequence[str],
        allowed_cidrs: Sequence[str],
        gateway_port: int,
        more: Mapping[int, Sequence[str]] | None = None,
        vpc_id: str | None = None,
        vswitch_ids: Mapping[str, str] | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the network.

        Args:
            name: Pulumi name.
            stack: the deployment's own name; names in the account begin with it.
            tags: of everything.
            vpc_cidr: range of the VPC.
            vswitch_cidrs: range by zone.
            admin_cidrs: who may use SSH.
            allowed_cidrs: who may use the gateway.
            gateway_port: the only other port that is open.
            more: but for these, beside the gateway, each to its ranges.
            vpc_id: a VPC that exists, to use instead of making one.
            vswitch_ids: vSwitches that exist, by zone.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:alicloud:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        self.vpc_id = (
            vpc_id
            or alicloud.vpc.Network(
                f"{name}-vpc", vpc_name=stack, cidr_block=vpc_cidr, description="Tandem", tags=tags, opts=child
            ).id
        )
        self.vswitches: dict[str, pulumi.Input[str]] = {}
        for zone, cidr in vswitch_cidrs.items():
            own = (vswitch_ids or {}).get(zone)
            self.vswitches[zone] = (
                own
                or alicloud.vpc.Switch(
                    f"{name}-vswitch-{zone.rsplit('-', 1)[-1]}",
                    vpc_id=self.vpc_id,
                    zone_id=zone,
                    cidr_block=cidr,
                    vswitch_name=f"{stack}-{zone}",
                    tags=tags,
                    opts=child,
                ).id
            )
        inside = alicloud.ecs.SecurityGroup(
            f"{name}-inside",
            vpc_id=self.vpc_id,
            security_group_name=f"{stack}-inside",
            description="Machines of one deployment",
            inner_access_policy="Accept",
            tags=tags,
            opts=child,
        )
        front = alicloud.ecs.SecurityGroup(
            f"{name}-front",
            vpc_id=self.vpc_id,
            security_group_name=f"{stack}-front",
            description="The gateway",
            inner_access_policy="Drop",
            tags=tags,
            opts=child,
        )
        self.inside, self.front = inside.id, front.id
        # One list: what is declared here is what the watch leaves open.
        self.doors: dict[str, tuple[pulumi.Output[str], list[Door]]] = {
            f"{stack}-inside": (inside.id, []),
            f"{stack}-front": (front.id, []),
        }
        for label, group, port, ranges in (
            ("ssh", "inside", SSH_PORT, admin_cidrs),
            ("gateway", "front", gateway_port, allowed_cidrs),
            *((f"port-{port}", "front", port, ranges) for port, ranges in (more or {}).items()),
        ):
            group_id, doors = self.doors[f"{stack}-{group}"]
            for number, cidr in enumerate(ranges):
                _open(f"{name}-{label}-{number}", group_id, port, cidr, child)
                doors.append(into(port, cidr))
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
