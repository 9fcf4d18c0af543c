"""NAS access groups and their rules: who may mount."""

import ipaddress

from localcloud.cloud.actions import action
from localcloud.cloud.checks import access_group_name, nas_description, one_of
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import AccessGroup, AccessRule, MountTarget
from localcloud.cloud.model.nas import OPEN_GROUP, access_group_key
from localcloud.cloud.paging import page
from localcloud.cloud.params import Params
from localcloud.cloud.shares import publish_group
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

MISSING = ("InvalidAccessGroup.NotFound", "access group")
RULE_MISSING = ("InvalidAccessRule.NotFound", "access rule")
READ_WRITE = ("RDWR", "RDONLY")
SQUASH = ("no_squash", "root_squash", "all_squash")
KINDS = ("standard", "extreme")
QUOTA = 20  # Alibaba's documentation of limits: groups a region, of each type of file system
MOST_RULES = 300  # the same: rules a group


@action("NAS", "CreateAccessGroup")
def create_access_group(cloud: Cloud, params: Params) -> Json:
    """Makes an empty group."""
    name, kind = access_group_name(params), one_of(params, "FileSystemType", *KINDS)
    words = nas_description(params)
    if cloud.store.get(AccessGroup, access_group_key(name, kind)) or name == OPEN_GROUP:
        raise ApiError(403, "InvalidAccessGroup.AlreadyExisted", f"The access group {name} already exists.")
    group = params.text("AccessGroupType", "Vpc")
    if group not in ("Vpc", "Classic"):
        raise invalid("AccessGroupType", "it is neither Vpc nor Classic")
    if group == "Classic":
        raise ApiError(400, "UnsupportedParameter.LocalCloud", "The local cloud does not implement Classic: use Vpc.")
    if sum(each.file_system_type == kind for each in cloud.store.all(AccessGroup)) >= QUOTA:
        raise ApiError(
            403, "OperationDenied.AccessGroupCountsExceeded", "The amount of AccessGroup has reached its limits."
        )
    made = AccessGroup(
        access_group_name=name,
        access_group_type=group,
        file_system_type=kind,
        create_time=stamp(),
        description=words,
        region_id=cloud.settings.region,
    )
    cloud.store.put(made)
    return {"AccessGroupName": name}


@action("NAS", "DescribeAccessGroups")
def describe_access_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by name, of one kind of file system."""
    name, kind = params.text("AccessGroupName"), one_of(params, "FileSystemType", *KINDS)
    found = [
        {**group.wire(), "RuleCount": len(group.rules), "MountTargetCount": _users(cloud, group)}
        for group in [_default(cloud, kind), *cloud.store.all(AccessGroup)]
        if group.file_system_type == kind and name in ("", group.access_group_name)
    ]
    return page(found, params, "AccessGroups", "AccessGroup")


@action("NAS", "ModifyAccessGroup")
def modify_access_group(cloud: Cloud, params: Params) -> Json:
    """Changes the description."""
    group = _group(cloud, params, change="Modify")
    group.description = nas_description(params)
    _save(cloud, group)
    return {}


@action("NAS", "DeleteAccessGroup")
def delete_access_group(cloud: Cloud, params: Params) -> Json:
    """Takes a group away that no mount target uses."""
    group = _group(cloud, params, change="Delete")
    if _users(cloud, group):
        raise ApiError(
            403,
            "InvalidAccessGroup.AlreadyAttached",
            "The specified AccessGroup is still attached by some MountTarget(s).",
        )
    cloud.store.delete(AccessGroup, f"{group.access_group_name}:{group.file_system_type}")
    return {}


@action("NAS", "CreateAccessRule")
def create_access_rule(cloud: Cloud, params: Params) -> Json:
    """Lets a range of addresses mount."""
    group = _group(cloud, params, change="Modify")
    if len(group.rules) >= MOST_RULES:
        raise ApiError(
            403, "OperationDenied.AccessRuleCountsExceeded", "The amount of AccessRule has reached its limits."
        )
    rule = AccessRule(
        access_rule_id=cloud.new_id("ar"),
        region_id=cloud.settings.region,
        access_group_name=group.access_group_name,
        file_system_type=group.file_system_type,
        ipv6_source_cidr_ip=params.text("Ipv6SourceCidrIp"),
    )
    _change(rule, params)
    group.rules.append(rule)
    _save(cloud, group)
    return {"AccessRuleId": rule.access_rule_id}


@action("NAS", "DescribeAccessRules")
def describe_access_rules(cloud: Cloud, params: Params) -> Json:
    """Rules of a group."""
    group, wanted = _group(cloud, params), params.text("AccessRuleId")
    found = [rule.wire() for rule in group.rules if wanted in ("", rule.access_rule_id)]
    return page(found, params, "AccessRules", "AccessRule")


@action("NAS", "ModifyAccessRule")
def modify_access_rule(cloud: Cloud, params: Params) -> Json:
    """Changes a rule."""
    group = _group(cloud, params, change="Modify")
    _change(_rule(group, params), params)
    _save(cloud, group)
    return {}


@action("NAS", "DeleteAccessRule")
def delete_access_rule(cloud: Cloud, params: Params) -> Json:
    """Takes a rule away."""
    group = _group(cloud, params, change="Modify")
    group.rules.remove(_rule(group, params))
    _save(cloud, group)
    return {}


def _change(rule: AccessRule, params: Params) -> None:
    cidr = params.text("SourceCidrIp", rule.source_cidr_ip)
    wide = params.text("Ipv6SourceCidrIp", rule.ipv6_source_cidr_ip)
    try:
        if cidr:
            ipaddress.IPv4Network(cidr, strict=False)
        if wide:
            ipaddress.IPv6Network(wide, strict=False)
        if not cidr and not wide:
            raise ValueError
    except ValueError:
        raise ApiError(
            400, "InvalidSourceCidrIp.Malformed", f"The source is no CIDR block: {cidr or wide!r}."
        ) from None
    access, squash = params.text("RWAccessType", rule.rw_access), params.text("UserAccessType", rule.user_access)
    if access not in READ_WRITE:
        raise invalid("RWAccessType", f"{access} is not one of {', '.join(READ_WRITE)}")
    if squash not in SQUASH:
        raise invalid("UserAccessType", f"{squash} is not one of {', '.join(SQUASH)}")
    rule.priority = params.number("Priority", rule.priority, 1, 100)
    rule.source_cidr_ip, rule.ipv6_source_cidr_ip, rule.rw_access, rule.user_access = cidr, wide, access, squash


def _rule(group: AccessGroup, params: Params) -> AccessRule:
    key = params.need("AccessRuleId")
    for rule in group.rules:
        if rule.access_rule_id == key:
            return rule
    raise ApiError(404, RULE_MISSING[0], f"The specified access rule does not exist: {key}.")


def _group(cloud: Cloud, params: Params, change: str = "") -> AccessGroup:
    name, kind = params.need("AccessGroupName"), one_of(params, "FileSystemType", *KINDS)
    if name == OPEN_GROUP:
        if change:
            raise ApiError(
                403,
                f"OperationDenied.DefaultAccessGroupCannot{change}",
                f"The default AccessGroup can not be {'deleted' if change == 'Delete' else 'modified'}.",
            )
        return _default(cloud, kind)
    return cloud.need(AccessGroup, access_group_key(name, kind), *MISSING)


def _default(cloud: Cloud, kind: str) -> AccessGroup:
    """The group that every account has: all of a VPC may mount."""
    region = cloud.settings.region
    rule = AccessRule(
        access_rule_id="1",
        source_cidr_ip="0.0.0.0/0",
        region_id=region,
        access_group_name=OPEN_GROUP,
        file_system_type=kind,
    )
    return AccessGroup(
        access_group_name=OPEN_GROUP,
        access_group_type="Vpc",
        file_system_type=kind,
        create_time="2017-06-26T00:00:00Z",
        description="The default VPC permission group",
        region_id=region,
        rules=[rule],
    )


def _save(cloud: Cloud, group: AccessGroup) -> None:
    cloud.store.put(group)
    publish_group(cloud, group.access_group_name)


def _users(cloud: Cloud, group: AccessGroup) -> int:
    return sum(
        target.access_group == group.access_group_name and target.file_system_type == group.file_system_type
        for target in cloud.store.all(MountTarget)
    )
