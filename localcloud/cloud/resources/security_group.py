"""Security groups."""

from localcloud.cloud.actions import action
from localcloud.cloud.checks import description, dry_run, ecs_name, new_tags, one_of
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.model import Instance, NetworkInterface, SecurityGroup, Vpc
from localcloud.cloud.paging import copy_given, filtered, page, tagged
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
    if not cloud.store.get(Vpc, vpc):
        raise not_found("InvalidVpcId.NotFound", "VPC")
    if kind not in KINDS:
        raise invalid("SecurityGroupType", f"{kind} is not one of {', '.join(KINDS)}")
    key = cloud.new_id("sg")
    group = SecurityGroup(
        security_group_id=key,
        security_group_name=name,
        vpc_id=vpc,
        description=words,
        security_group_type=kind,
        creation_time=stamp(),
        resource_group_id=params.text("ResourceGroupId"),
        tags=tags,
        inner_policy="Accept" if kind == "normal" else "Drop",  # an enterprise group's members do not reach each other
    )
    cloud.store.put(group)
    return {"SecurityGroupId": key}


@action("Ecs", "DescribeSecurityGroups")
def describe_security_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by id, name, VPC and tags."""
    wanted, fits = params.items("SecurityGroupId", "SecurityGroupIds"), tagged(params)
    named = filtered(params, FILTERS, starred=("SecurityGroupName",))
    found = (
        {**group.wire(), "EcsCount": len(members(cloud, group.security_group_id))}
        for group in cloud.store.all(SecurityGroup)
        if (not wanted or group.security_group_id in wanted) and named(group) and fits(group)
    )
    return {**page(found, params, "SecurityGroups", "SecurityGroup"), "RegionId": cloud.settings.region}


@action("Ecs", "DescribeSecurityGroupAttribute")
def describe_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """One group with its rules."""
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    direction = params.text("Direction", "all").lower()
    card = one_of(params, "NicType", "", "intranet", "internet")
    rules = [rule for rule in group.rules if direction in ("all", rule.direction) and card in ("", rule.nic_type)]
    return {
        "RegionId": cloud.settings.region,
        "SecurityGroupId": group.security_group_id,
        "VpcId": group.vpc_id,
        "SecurityGroupName": group.security_group_name,
        "Description": group.description,
        "InnerAccessPolicy": group.inner_policy,
        "Permissions": {"Permission": [rule.wire() for rule in rules]},
    }


@action("Ecs", "ModifySecurityGroupAttribute")
def modify_security_group_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    ecs_name(params, "SecurityGroupName")
    description(params)
    copy_given(group, params, "SecurityGroupName", "Description")
    cloud.store.put(group)
    return {}


@action("Ecs", "ModifySecurityGroupPolicy")
def modify_security_group_policy(cloud: Cloud, params: Params) -> Json:
    """Whether members reach each other."""
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    policy = params.need("InnerAccessPolicy").capitalize()
    if policy not in ("Accept", "Drop"):
        raise invalid("InnerAccessPolicy", f"{policy} is neither Accept nor Drop")
    group.inner_policy = policy
    cloud.store.put(group)
    apply_to(cloud, group.vpc_id)
    return {}


@action("Ecs", "DeleteSecurityGroup")
def delete_security_group(cloud: Cloud, params: Params) -> Json:
    """Takes a group away that has no members and that no other group names."""
    key = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING).key
    if users := members(cloud, key):
        raise dependency(f"network interface of instance {users[0]}")
    for card in cloud.store.all(NetworkInterface):
        if key in card.groups:
            raise dependency(f"network interface {card.network_interface_id}")
    for other in cloud.store.all(SecurityGroup):
        named = {peer for rule in other.rules for peer in (rule.source_group_id, rule.dest_group_id)}
        if other.security_group_id != key and key in named:
            raise dependency(f"a rule of security group {other.security_group_id}")
    dry_run(params)
    cloud.store.delete(SecurityGroup, key)
    return {}


def members(cloud: Cloud, key: str) -> list[str]:
    """Ids of the instances in a group."""
    return [instance.instance_id for instance in cloud.store.all(Instance) if key in instance.security_groups]


def joinable(cloud: Cloud, keys: list[str], vpc: str) -> None:
    """Whether an instance of a VPC may be in all of these groups.

    Raises:
        ApiError: one does not exist or is of another VPC, they are too many, or of both kinds.
    """
    groups = [cloud.need(SecurityGroup, key, *MISSING) for key in keys]
    for group in groups:
        if group.vpc_id != vpc:
            raise ApiError(
                400,
                "InvalidSecurityGroupId.VPCMismatch",
                f"Security group {group.security_group_id} is not in the instance's VPC, {vpc}.",
            )
    if len(groups) > MOST_GROUPS:
        raise ApiError(403, "InstanceSecurityGroupLimitExceed", f"An instance is in at most {MOST_GROUPS} groups.")
    if len({group.security_group_type for group in groups}) > 1:
        raise ApiError(400, "InvalidOperation.MultiSecurityGroupType", "The groups are not of one type.")
