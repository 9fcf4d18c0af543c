"""What is asked of the account: read-only actions, and actions that change something with DryRun, which then don't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.alicloud.api import Api, tagged
from components.alicloud.leftovers import FILE_SYSTEM_TYPES, leftovers
from components.alicloud.security_rules import find_missing, find_undeclared
from components.alicloud.tags import STACK
from stacks.doctor.stack import Stack
from stacks.platforms.alicloud import network_args
from stacks.settings.cloud import CloudSettings
from stacks.settings.stack import Settings

REAL_NAME = "real-name-authentication"
POST_PAID, SPOT = "postpaid-instance-vcpu-count", "spot-instance-vcpu-count"
NOBODY = {"ecs": "i-doctor0000000000000", "vpc": "vpc-doctor0000000000000"}
"""Ids that nothing has."""


@dataclass(frozen=True)
class Right:
    """An action that a deployment takes, and a call of it that changes nothing.

    Attributes:
        product: ecs, vpc or nas.
        action: as RAM policies name it.
        parameters: of the call; with DryRun for one that would change something.
    """

    product: str
    action: str
    parameters: Mapping[str, object]

    @property
    def name(self) -> str:
        """As a policy has it."""
        return f"{self.product}:{self.action}"


UNTRIED = (
    "ecs:CreateSecurityGroup",
    "ecs:AuthorizeSecurityGroup",
    "ecs:RevokeSecurityGroup",
    "ecs:DeleteSecurityGroup",
    "ecs:ModifyInstanceAutoReleaseTime",
    "vpc:CreateVSwitch",
    "vpc:AllocateEipAddress",
    "vpc:AssociateEipAddress",
    "vpc:ReleaseEipAddress",
    "nas:CreateAccessGroup",
    "nas:CreateAccessRule",
    "nas:DeleteAccessGroup",
    "nas:DeleteMountTarget",
    "nas:DeleteFileSystem",
)
"""Rights that only their use shows: these actions know no DryRun (Alibaba's own clients, their requests' fields)."""


def rights(cloud: CloudSettings) -> list[Right]:
    """What can be tried. A call that is refused for another reason than rights is allowed: RAM is asked first."""
    dry = {"DryRun": True}
    listed = {"PageNumber": 1, "PageSize": 10}
    run = {
        "InstanceType": cloud.candidates[0].instance_type,
        "ImageId": "doctor",
        "VSwitchId": "vsw-doctor",
        "SecurityGroupId": "sg-doctor",
        "ZoneId": cloud.candidates[0].zone,
        "Amount": 1,
    }
    machine = {"InstanceId": NOBODY["ecs"]}
    files = {
        "StorageType": cloud.nas.storage_class,
        "ProtocolType": "NFS",
        "FileSystemType": cloud.nas.type,
        "ZoneId": cloud.nas_zone,
        **({"Capacity": cloud.nas.capacity_gib} if cloud.nas.capacity_gib else {}),
    }
    return [
        Right("ecs", "DescribeInstances", listed),
        Right("ecs", "DescribeInstanceTypes", {"InstanceTypes": [cloud.candidates[0].instance_type]}),
        Right("ecs", "DescribeImages", {**listed, "ImageOwnerAlias": "system"}),
        Right("ecs", "DescribeSecurityGroups", listed),
        Right("ecs", "DescribeDisks", listed),
        Right("ecs", "RunInstances", {**run, **dry}),
        Right("ecs", "StartInstance", {**machine, **dry}),
        Right("ecs", "StopInstance", {**machine, **dry}),
        Right("ecs", "DeleteInstance", {**machine, **dry}),
        Right("vpc", "DescribeVpcs", listed),
        Right("vpc", "DescribeVSwitches", listed),
        Right("vpc", "DescribeEipAddresses", listed),
        Right("vpc", "CreateVpc", {"CidrBlock": cloud.vpc_cidr, **dry}),
        Right("vpc", "DeleteVpc", {"VpcId": NOBODY["vpc"], **dry}),
        Right("nas", "DescribeFileSystems", listed),
        Right("nas", "DescribeAccessGroups", {**listed, "FileSystemType": FILE_SYSTEM_TYPES[0]}),
        Right("nas", "DescribeZones", {"FileSystemType": cloud.nas.type}),
        Right("nas", "CreateFileSystem", {**files, **dry}),
    ]


def questions(stack: Stack, settings: Settings, cloud: CloudSettings, api: Api) -> dict[str, Callable[[], Any]]:
    """Everything that is asked, by name."""
    spot = cloud.spot_price_limit is not None
    declared = network_args(settings, cloud, stack.project, stack.full).rules()
    calls: dict[str, Callable[[], Any]] = {
        "identity": partial(api.call, "sts", "GetCallerIdentity"),
        "attributes": partial(
            api.call,
            "ecs",
            "DescribeAccountAttributes",
            AttributeName=[REAL_NAME, *(f"{how}-{what}" for how in ("max", "used") for what in (POST_PAID, SPOT))],
        ),
        "balance": partial(api.call, "bssopenapi", "QueryAccountBalance"),
        "types": partial(
            api.call,
            "ecs",
            "DescribeInstanceTypes",
            InstanceTypes=sorted({each.instance_type for each in cloud.candidates}),
        ),
        "machines": lambda: list(
            api.pages("ecs", "DescribeInstances", "Instances.Instance", Tag=tagged({STACK: stack.full}))
        ),
        "tagged": lambda: leftovers(api, stack.full),
        "undeclared": lambda: find_undeclared(api, stack.full, declared),
        "missing": lambda: find_missing(api, stack.full, declared),
    }
    for each in cloud.candidates:
        calls[f"stock {each.instance_type} {each.zone}"] = partial(
            api.call,
            "ecs",
            "DescribeAvailableResource",
            DestinationResource="InstanceType",
            InstanceType=each.instance_type,
            ZoneId=each.zone,
            InstanceChargeType="PostPaid",
            SpotStrategy="SpotWithPriceLimit" if spot else "NoSpot",
        )
    for right in rights(cloud):
        calls[f"right {right.name}"] = partial(api.call, right.product, right.action, **right.parameters)
    return calls
