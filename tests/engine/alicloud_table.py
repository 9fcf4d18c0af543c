"""What is proved of each type of resource: a table of type x operation x property, and the programs made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"
OTHER_IMAGE = "debian_12_9_x64_20G_alibase_20260901.vhd"
# Of a type that an import takes: ed25519 is none.
KEYS = [f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC{letter * 40} test" for letter in "abc"]


@dataclass(frozen=True)
class Row:
    """One resource.

    Attributes:
        type: its class in pulumi_alicloud.
        creates: properties at first; a text "=net.id" is another resource's output.
        updates: properties changed in place, with their second values.
        replaces: properties that make another resource, with their third values; a text "=net.id" is a new value
            where that resource is replaced too.
        along: values that have to go with `replaces`, which by themselves replace nothing.
        idle: properties of `updates` that the provider takes but doesn't tell the cloud, and what that means.
        fixed: properties of `creates` with one legal value only, and why.
        strange: a call behind the engine's back that changes it: product, action, parameters; None deletes it.
        seen: what a refresh then shows; empty when the resource is gone.
        unread: properties of `creates` that the provider doesn't read back, so that an import has to name them.
    """

    type: str
    creates: dict[str, Any]
    updates: dict[str, Any] = field(default_factory=dict)
    replaces: dict[str, Any] = field(default_factory=dict)
    along: dict[str, Any] = field(default_factory=dict)
    idle: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)
    strange: tuple[str, str, dict[str, str]] = ("", "", {})
    seen: dict[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


TAGS, OTHER_TAGS = {"stack": "aa", "owner": "o"}, {"stack": "bb", "more": "m"}

TABLE = {
    "net": Row(
        "vpc.Network",
        {"vpc_name": "aa", "cidr_block": "10.8.0.0/16", "description": "aa", "tags": TAGS},
        {"vpc_name": "bb", "cidr_block": "10.8.0.0/17", "description": "bb", "tags": OTHER_TAGS},
        {"user_cidrs": ["172.30.0.0/16"]},
        strange=("Vpc", "ModifyVpcAttribute", {"VpcId": "net", "Description": "strange"}),
        seen={"description": "strange"},
    ),
    "switch": Row(
        "vpc.Switch",
        {
            "vpc_id": "=net.id",
            "zone_id": "cn-hangzhou-h",
            "cidr_block": "10.8.1.0/24",
            "vswitch_name": "aa",
            "description": "aa",
            "tags": TAGS,
        },
        {"vswitch_name": "bb", "description": "bb", "tags": OTHER_TAGS},
        {"cidr_block": "10.8.2.0/24", "vpc_id": "=net.id"},
        strange=("Vpc", "ModifyVSwitchAttribute", {"VSwitchId": "switch", "VSwitchName": "strange"}),
        seen={"vswitchName": "strange"},
    ),
    "far": Row(
        "vpc.Switch",
        {"vpc_id": "=net.id", "zone_id": "cn-hangzhou-i", "cidr_block": "10.8.3.0/24"},
        replaces={"zone_id": "cn-hangzhou-j"},
    ),
    "group": Row(
        "ecs.SecurityGroup",
        {
            "vpc_id": "=net.id",
            "security_group_name": "aa",
            "description": "aa",
            "inner_access_policy": "Accept",
            "tags": TAGS,
        },
        {"security_group_name": "bb", "description": "bb", "inner_access_policy": "Drop", "tags": OTHER_TAGS},
        {"vpc_id": "=net.id"},
        strange=("Ecs", "ModifySecurityGroupPolicy", {"SecurityGroupId": "group", "InnerAccessPolicy": "Accept"}),
        seen={"innerAccessPolicy": "Accept"},
    ),
    "second": Row("ecs.SecurityGroup", {"vpc_id": "=net.id", "security_group_name": "second"}),
    "third_group": Row("ecs.SecurityGroup", {"vpc_id": "=net.id", "security_group_name": "third"}),
    "rule": Row(
        "ecs.SecurityGroupRule",
        {
            "security_group_id": "=group.id",
            "type": "ingress",
            "ip_protocol": "tcp",
            "port_range": "8000/8000",
            "cidr_ip": "192.0.2.0/24",
            "nic_type": "intranet",
            "policy": "accept",
            "priority": 1,
            "description": "aa",
        },
        {"description": "bb"},
        {
            "type": "egress",
            "ip_protocol": "udp",
            "port_range": "9000/9000",
            "cidr_ip": "198.51.100.0/24",
            "policy": "drop",
            "priority": 2,
            "security_group_id": "=group.id",
        },
        fixed={"nic_type": "a VPC's groups know `intranet` only"},
        strange=(
            "Ecs",
            "RevokeSecurityGroup",
            {
                "SecurityGroupId": "group",
                "IpProtocol": "tcp",
                "PortRange": "8000/8000",
                "SourceCidrIp": "192.0.2.0/24",
                "NicType": "intranet",
                "Policy": "accept",
                "Priority": "1",
            },
        ),
    ),
    "inner": Row(
        "ecs.SecurityGroupRule",
        {
            "security_group_id": "=group.id",
            "type": "ingress",
            "ip_protocol": "all",
            "port_range": "-1/-1",
            "source_security_group_id": "=second.id",
            "nic_type": "intranet",
            "policy": "accept",
            "priority": 1,
            "description": "aa",
        },
        {"description": "bb"},
        {"source_security_group_id": "=third_group.id"},
    ),
    "key": Row(
        "ecs.EcsKeyPair",
        {"key_pair_name": "aa", "public_key": KEYS[0], "tags": TAGS},
        {"tags": OTHER_TAGS},
        {"key_pair_name": "cc"},
        strange=(
            "Ecs",
            "TagResources",
            {"ResourceType": "keypair", "ResourceId.1": "key", "Tag.1.Key": "strange", "Tag.1.Value": "s"},
        ),
        seen={"tags": {**OTHER_TAGS, "strange": "s"}},
        unread=("public_key",),
    ),
    "other": Row(
        "ecs.EcsKeyPair",
        {"key_pair_name": "other", "public_key": KEYS[1]},
        {"public_key": KEYS[2]},
        idle={"public_key": "the provider changes its state and makes no call: the cloud keeps the first key"},
        unread=("public_key",),
    ),
    "files": Row(
        "nas.FileSystem",
        {
            "file_system_type": "standard",
            "storage_type": "Performance",
            "protocol_type": "NFS",
            "zone_id": "cn-hangzhou-h",
            "description": "aa",
            "tags": TAGS,
        },
        {"description": "bb", "tags": OTHER_TAGS},
        {"storage_type": "Capacity"},
        fixed={"protocol_type": "the local cloud has NFS only"},
        strange=("NAS", "ModifyFileSystem", {"FileSystemId": "files", "Description": "strange"}),
        seen={"description": "strange"},
    ),
    "extreme": Row(
        "nas.FileSystem",
        {
            "file_system_type": "extreme",
            "storage_type": "standard",
            "protocol_type": "NFS",
            "capacity": 100,
            "zone_id": "cn-hangzhou-h",
            "description": "aa",
            "tags": TAGS,
        },
        {"capacity": 200, "description": "bb", "tags": OTHER_TAGS},
        {"storage_type": "advance"},
        strange=(
            "NAS",
            "UntagResources",
            {"ResourceType": "filesystem", "ResourceId.1": "extreme", "TagKey.1": "more"},
        ),
        seen={"tags": {"stack": "bb"}},
    ),
    "cabinet": Row(
        "nas.FileSystem",
        {
            "file_system_type": "standard",
            "storage_type": "Performance",
            "protocol_type": "NFS",
            "zone_id": "cn-hangzhou-h",
            "description": "cabinet",
        },
        replaces={"file_system_type": "extreme", "storage_type": "standard", "zone_id": "cn-hangzhou-i"},
        along={"capacity": 100},
    ),
    "door": Row(
        "nas.AccessGroup",
        {"access_group_name": "aaa", "access_group_type": "Vpc", "file_system_type": "standard", "description": "aa"},
        {"description": "bb"},
        {"access_group_name": "ccc"},
        fixed={"access_group_type": "the local cloud has VPCs only"},
        strange=(
            "NAS",
            "ModifyAccessGroup",
            {"AccessGroupName": "aaa", "FileSystemType": "standard", "Description": "strange"},
        ),
        seen={"description": "strange"},
    ),
    "third": Row(
        "nas.AccessGroup",
        {"access_group_name": "third", "access_group_type": "Vpc", "file_system_type": "standard"},
        replaces={"file_system_type": "extreme"},
    ),
    "narrow": Row(
        "nas.AccessRule",
        {
            "access_group_name": "=third.access_group_name",
            "file_system_type": "standard",
            "source_cidr_ip": "10.8.0.0/16",
        },
        replaces={"file_system_type": "extreme"},
    ),
    "closed": Row("nas.AccessGroup", {"access_group_name": "closed", "access_group_type": "Vpc"}),
    "allowed": Row(
        "nas.AccessRule",
        {
            "access_group_name": "=door.access_group_name",
            "file_system_type": "standard",
            "source_cidr_ip": "10.8.0.0/16",
            "rw_access_type": "RDWR",
            "user_access_type": "no_squash",
            "priority": 1,
        },
        {"source_cidr_ip": "10.8.0.0/17", "rw_access_type": "RDONLY", "user_access_type": "root_squash", "priority": 2},
        {"access_group_name": "=closed.access_group_name"},
        strange=(
            "NAS",
            "ModifyAccessRule",
            {"AccessGroupName": "aaa", "FileSystemType": "standard", "AccessRuleId": "allowed", "Priority": "9"},
        ),
        seen={"priority": 9},
    ),
    "target": Row(
        "nas.MountTarget",
        {
            "file_system_id": "=files.id",
            "access_group_name": "=door.access_group_name",
            "network_type": "Vpc",
            "vpc_id": "=net.id",
            "vswitch_id": "=switch.id",
        },
        {"access_group_name": "=closed.access_group_name"},
        {"file_system_id": "=spare.id", "vpc_id": "=net.id", "vswitch_id": "=switch.id"},
        fixed={"network_type": "the local cloud has VPCs only"},
        strange=(
            "NAS",
            "ModifyMountTarget",
            {"FileSystemId": "files", "MountTargetDomain": "target", "AccessGroupName": "aaa"},
        ),
        seen={"accessGroupName": "aaa"},
    ),
    "spare": Row("nas.FileSystem", {"storage_type": "Performance", "protocol_type": "NFS"}),
    "machine": Row(
        "ecs.Instance",
        {
            "instance_name": "aa",
            "host_name": "aa",
            "instance_type": "ecs.g7.large",
            "image_id": IMAGE,
            "availability_zone": "cn-hangzhou-h",
            "vswitch_id": "=switch.id",
            "private_ip": "10.8.1.20",
            "security_groups": ["=group.id"],
            "key_name": "=key.key_pair_name",
            "system_disk_category": "cloud_essd",
            "system_disk_size": 60,
            "system_disk_performance_level": "PL0",
            "user_data": "#!/bin/sh\ntrue\n",
            "auto_release_time": "2029-01-01T00:00:00Z",
            "instance_charge_type": "PostPaid",
            "spot_strategy": "SpotWithPriceLimit",
            "spot_price_limit": 2.5,
            "deletion_protection": False,
            "description": "aa",
            "tags": TAGS,
            "volume_tags": TAGS,
        },
        {
            "instance_name": "bb",
            "host_name": "bb",
            "instance_type": "ecs.g7.xlarge",
            "image_id": OTHER_IMAGE,
            "private_ip": "10.8.1.30",
            "security_groups": ["=group.id", "=second.id"],
            "key_name": "=other.key_pair_name",
            "system_disk_size": 80,
            "system_disk_performance_level": "PL1",
            "user_data": "#!/bin/sh\nfalse\n",
            "auto_release_time": "2029-02-02T00:00:00Z",
            "description": "bb",
            "tags": OTHER_TAGS,
            "volume_tags": OTHER_TAGS,
        },
        {"system_disk_category": "cloud_efficiency", "spot_price_limit": 3.5, "vswitch_id": "=switch.id"},
        along={"private_ip": "10.8.2.20"},
        fixed={"instance_charge_type": "the local cloud is paid by use only"},
        strange=("Ecs", "LeaveSecurityGroup", {"InstanceId": "machine", "SecurityGroupId": "second"}),
        seen={"securityGroups": ["=group.id"]},
        unread=("auto_release_time", "user_data", "volume_tags"),
    ),
    "plain": Row(
        "ecs.Instance",
        {
            "instance_name": "plain",
            "instance_type": "ecs.g7.large",
            "image_id": IMAGE,
            "vswitch_id": "=far.id",
            "availability_zone": "cn-hangzhou-i",
            "security_groups": ["=group.id"],
            "system_disk_category": "cloud_essd",
            "spot_strategy": "NoSpot",
            "internet_charge_type": "PayByTraffic",
            "internet_max_bandwidth_out": 0,
            "deletion_protection": True,
        },
        {"internet_charge_type": "PayByBandwidth", "internet_max_bandwidth_out": 5, "deletion_protection": False},
        {"spot_strategy": "SpotAsPriceGo", "availability_zone": "cn-hangzhou-j"},
    ),
    "address": Row(
        "ecs.EipAddress",
        {
            "address_name": "aa",
            "description": "aa",
            "bandwidth": "5",
            "internet_charge_type": "PayByTraffic",
            "payment_type": "PayAsYouGo",
            "tags": TAGS,
        },
        {"address_name": "bb", "description": "bb", "bandwidth": "9", "tags": OTHER_TAGS},
        {"internet_charge_type": "PayByBandwidth"},
        fixed={"payment_type": "the local cloud is paid by use only"},
        strange=("Vpc", "ModifyEipAddressAttribute", {"AllocationId": "address", "Bandwidth": "7"}),
        seen={"bandwidth": "7"},
    ),
    "link": Row(
        "ecs.EipAssociation",
        {"allocation_id": "=address.id", "instance_id": "=machine.id"},
        {},
        {"instance_id": "=machine.id", "allocation_id": "=address.id"},
        strange=("Vpc", "UnassociateEipAddress", {"AllocationId": "address"}),
    ),
}
"""Resources in an order in which each refers to earlier ones only."""


def properties(name: str, phase: str) -> dict[str, Any]:
    """Properties of a resource in a phase: creates, updates (over the former), replaces (over both)."""
    row = TABLE[name]
    found = dict(row.creates)
    if phase in ("updates", "replaces"):
        found |= row.updates
    if phase == "replaces":
        found |= row.replaces | row.along
    return found


def program(phase: str, imports: dict[str, str] | None = None) -> str:
    """The program of a phase; with `imports`, ids by name, it takes what exists."""
    lines = []
    for name in sorted(TABLE, key=lambda one: (TABLE[one].type in LATE, list(TABLE).index(one))):
        row = TABLE[name]
        given = properties(name, phase)
        words = ", ".join(f"{key}={_expression(value)}" for key, value in given.items())
        more = {"import_": imports[name], "ignore_changes": [camel(key) for key in row.unread]} if imports else {}
        if row.type == "ecs.Instance":
            more["replace_on_changes"] = ["vswitchId"]
        options = "".join(f", {key}={value!r}" for key, value in more.items())
        lines.append(f"{name} = ali.{row.type}({name!r}, {words}, opts=own(provider=provider{options}))")
    return "own = pulumi.ResourceOptions\n" + "\n".join(lines)


LATE = ("nas.AccessRule", "nas.MountTarget", "ecs.Instance", "ecs.EipAddress", "ecs.EipAssociation")


def _expression(value: Any) -> str:
    if isinstance(value, str) and value.startswith("="):
        return value[1:]
    if isinstance(value, list):
        return f"[{', '.join(map(_expression, value))}]"
    return repr(value)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def resolved(value: Any, state: dict[str, dict[str, Any]]) -> Any:
    """A value of the table with the outputs that it refers to."""
    if isinstance(value, str) and value.startswith("="):
        name, _, key = value[1:].partition(".")
        return state[name]["id"] if key == "id" else state[name]["outputs"][camel(key)]
    if isinstance(value, list):
        return sorted(resolved(each, state) for each in value)
    return value


def shown(name: str, key: str, state: dict[str, dict[str, Any]]) -> Any:
    """A property of the table as the state has it."""
    found = state[name]["outputs"].get(camel(key))
    return sorted(found) if isinstance(found, list) else found
