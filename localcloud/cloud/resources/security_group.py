"""Security groups."""

import json

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, ecs_tags, filtered, page, public, tagged
from localcloud.cloud.checks import description, dry_run, ecs_name, new_tags, one_of
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, dependency, invalid, not_found

MISSING = ("InvalidSecurityGroupId.NotFound", "security group")
KINDS = ("normal", "enterprise")
MOST_GROUPS = 5  # Alibaba's documentation: groups of one instance
FILTERS = {
    field: field for field in ("VpcId", "SecurityGroupName", "SecurityGroupType", "ResourceGroupId", "ServiceManaged")
}


@action("Ecs", "CreateSecurityGroup")
def create_security_group(cloud: Cloud, params: Params) -> Json:
    """Makes a group: nothing may come in but from members, everything may go out."""
    vpc, kind = params.text("VpcId"), params.text("SecurityGroupType", "normal")
    if not vpc:  # the real cloud takes the account's default VPC
        raise ApiError(400, "UnsupportedParameter.LocalCloud", "The local cloud has no default VPC: give a VpcId.")
    name, words, tags = ecs_name(params, "SecurityGroupName"), description(params), new_tags(params)
    if not cloud.store.get("vpc", vpc):
        raise not_found("InvalidVpcId.NotFound", "VPC")
    if kind not in KINDS:
        raise invalid("SecurityGroupType", f"{kind} is not one of {', '.join(KINDS)}")
    key = cloud.new_id("sg")
    document: Json = {
        "SecurityGroupId": key, "SecurityGroupName": name, "VpcId": vpc,
        "Description": words, "SecurityGroupType": kind, "CreationTime": stamp(),
        "ResourceGroupId": params.text("ResourceGroupId"), "ServiceManaged": False,
        "RuleCount": 0, "GroupToGroupRuleCount": 0,
        # An enterprise group's members are strangers to each other.
        "_inner": "Accept" if kind == "normal" else "Drop", "_tags": tags, "_rules": [],
    }  # fmt: skip
    cloud.store.put("security_group", key, document)
    return {"SecurityGroupId": key}


@action("Ecs", "DescribeSecurityGroups")
def describe_security_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by id, name, VPC and tags."""
    wanted, fits = params.items("SecurityGroupId", "SecurityGroupIds"), tagged(params)
    named = filtered(params, FILTERS, starred=("SecurityGroupName",))
    found = (
        {**public(group), "Tags": ecs_tags(group["_tags"]), "EcsCount": len(members(cloud, group["SecurityGroupId"]))}
        for group in cloud.store.all("security_group")
        if (not wanted or group["SecurityGroupId"] in wanted) and named(group) and fits(group)
    )
    return {**page(found, params, "SecurityGroups", "SecurityGroup"), "RegionId": cloud.settings.region}


@action("Ecs", "DescribeSecurityGroupAttribute")
def describe_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """One group with its rules."""
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    direction = params.text("Direction", "all").lower()
    card = one_of(params, "NicType", "", "intranet", "internet")
    rules = [
        rule for rule in group["_rules"] if direction in ("all", rule["Direction"]) and card in ("", rule["NicType"])
    ]
    return {
        "RegionId": cloud.settings.region, "SecurityGroupId": group["SecurityGroupId"], "VpcId": group["VpcId"],
        "SecurityGroupName": group["SecurityGroupName"], "Description": group["Description"],
        "InnerAccessPolicy": group["_inner"], "Permissions": {"Permission": [public(rule) for rule in rules]},
    }  # fmt: skip


@action("Ecs", "ModifySecurityGroupAttribute")
def modify_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    ecs_name(params, "SecurityGroupName")
    description(params)
    copy_given(group, params, {"SecurityGroupName": "SecurityGroupName", "Description": "Description"})
    cloud.store.put("security_group", group["SecurityGroupId"], group)
    return {}


@action("Ecs", "ModifySecurityGroupPolicy")
def modify_security_group_policy(cloud: Cloud, params: Params) -> Json:
    """Whether members reach each other."""
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    policy = params.need("InnerAccessPolicy").capitalize()
    if policy not in ("Accept", "Drop"):
        raise invalid("InnerAccessPolicy", f"{policy} is neither Accept nor Drop")
    group["_inner"] = policy
    cloud.store.put("security_group", group["SecurityGroupId"], group)
    apply_to(cloud, group["VpcId"])
    return {}


@action("Ecs", "DeleteSecurityGroup")
def delete_security_group(cloud: Cloud, params: Params) -> Json:
    """Takes a group away that has no members and that no other group names."""
    key = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)["SecurityGroupId"]
    if users := members(cloud, key):
        raise dependency(f"network interface of instance {users[0]}")
    for card in cloud.store.all("network_interface"):
        if key in card["_groups"]:
            raise dependency(f"network interface {card['NetworkInterfaceId']}")
    for other in cloud.store.all("security_group"):
        if other["SecurityGroupId"] != key and key in json.dumps(other["_rules"]):
            raise dependency(f"a rule of security group {other['SecurityGroupId']}")
    dry_run(params)
    cloud.store.delete("security_group", key)
    return {}


def members(cloud: Cloud, key: str) -> list[str]:
    """Ids of the instances in a group."""
    return [
        instance["InstanceId"]
        for instance in cloud.store.all("instance")
        if key in instance["SecurityGroupIds"]["SecurityGroupId"]
    ]


def joinable(cloud: Cloud, keys: list[str], vpc: str) -> None:
    """Whether an instance of a VPC may be in all of these groups.

    Raises:
        ApiError: one does not exist or is of another VPC, they are too many, or of both kinds.
    """
    groups = [cloud.need("security_group", key, *MISSING) for key in keys]
    for group in groups:
        if group["VpcId"] != vpc:
            raise ApiError(
                400, "InvalidSecurityGroupId.VPCMismatch",
                f"Security group {group['SecurityGroupId']} is not in the instance's VPC, {vpc}.",
            )  # fmt: skip
    if len(groups) > MOST_GROUPS:
        raise ApiError(403, "InstanceSecurityGroupLimitExceed", f"An instance is in at most {MOST_GROUPS} groups.")
    if len({group["SecurityGroupType"] for group in groups}) > 1:
        raise ApiError(400, "InvalidOperation.MultiSecurityGroupType", "The groups are not of one type.")
