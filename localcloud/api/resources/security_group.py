"""Security groups."""

import json

from localcloud.api.answers import copy_given, ecs_tags, page, public, tagged
from localcloud.api.cloud import Cloud, stamp
from localcloud.api.errors import dependency, invalid, not_found
from localcloud.api.firewall import apply_to
from localcloud.api.params import Params
from localcloud.api.registry import Json, action

MISSING = ("InvalidSecurityGroupId.NotFound", "security group")
KINDS = ("normal", "enterprise")


@action("Ecs", "CreateSecurityGroup")
def create_security_group(cloud: Cloud, params: Params) -> Json:
    """Makes a group: nothing may come in but from members, everything may go out."""
    vpc, kind = params.text("VpcId"), params.text("SecurityGroupType", "normal")
    if vpc and not cloud.store.get("vpc", vpc):
        raise not_found("InvalidVpcId.NotFound", "VPC")
    if kind not in KINDS:
        raise invalid("SecurityGroupType", f"{kind} is not one of {', '.join(KINDS)}")
    key = cloud.new_id("sg")
    document: Json = {
        "SecurityGroupId": key, "SecurityGroupName": params.text("SecurityGroupName"), "VpcId": vpc,
        "Description": params.text("Description"), "SecurityGroupType": kind, "CreationTime": stamp(),
        "ResourceGroupId": params.text("ResourceGroupId"), "ServiceManaged": False,
        "RuleCount": 0, "GroupToGroupRuleCount": 0,
        # An enterprise group's members are strangers to each other.
        "_inner": "Accept" if kind == "normal" else "Drop", "_tags": params.tags(), "_rules": [],
    }  # fmt: skip
    cloud.store.put("security_group", key, document)
    return {"SecurityGroupId": key}


@action("Ecs", "DescribeSecurityGroups")
def describe_security_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by id, name, VPC and tags."""
    wanted, fits = params.items("SecurityGroupId", "SecurityGroupIds"), tagged(params)
    filters = {field: params.text(field) for field in ("VpcId", "SecurityGroupName", "SecurityGroupType")}
    found = (
        {**public(group), "Tags": ecs_tags(group["_tags"]), "EcsCount": len(members(cloud, group["SecurityGroupId"]))}
        for group in cloud.store.all("security_group")
        if (not wanted or group["SecurityGroupId"] in wanted)
        and all(not value or group[field] == value for field, value in filters.items())
        and fits(group)
    )
    return {**page(found, params, "SecurityGroups", "SecurityGroup"), "RegionId": cloud.settings.region}


@action("Ecs", "DescribeSecurityGroupAttribute")
def describe_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """One group with its rules."""
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    direction = params.text("Direction", "all").lower()
    rules = [rule for rule in group["_rules"] if direction in ("all", rule["Direction"])]
    return {
        "RegionId": cloud.settings.region, "SecurityGroupId": group["SecurityGroupId"], "VpcId": group["VpcId"],
        "SecurityGroupName": group["SecurityGroupName"], "Description": group["Description"],
        "InnerAccessPolicy": group["_inner"], "Permissions": {"Permission": [public(rule) for rule in rules]},
    }  # fmt: skip


@action("Ecs", "ModifySecurityGroupAttribute")
def modify_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
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
    for other in cloud.store.all("security_group"):
        if other["SecurityGroupId"] != key and key in json.dumps(other["_rules"]):
            raise dependency(f"a rule of security group {other['SecurityGroupId']}")
    cloud.store.delete("security_group", key)
    return {}


def members(cloud: Cloud, key: str) -> list[str]:
    """Ids of the instances in a group."""
    return [
        instance["InstanceId"]
        for instance in cloud.store.all("instance")
        if key in instance["SecurityGroupIds"]["SecurityGroupId"]
    ]
