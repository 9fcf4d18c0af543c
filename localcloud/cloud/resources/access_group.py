"""NAS access groups and their rules: who may mount."""

import ipaddress
from typing import cast

from localcloud.cloud.actions import action
from localcloud.cloud.answers import page, public
from localcloud.cloud.checks import access_group_name, nas_description, one_of
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.shares import OPEN_GROUP, publish_group
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

MISSING = ("InvalidAccessGroup.NotFound", "access group")
RULE_MISSING = ("InvalidAccessRule.NotFound", "access rule")
READ_WRITE = ("RDWR", "RDONLY")
SQUASH = ("no_squash", "root_squash", "all_squash")
DEFAULT = OPEN_GROUP  # in every account
KINDS = ("standard", "extreme")
QUOTA = 20  # Alibaba's documentation of limits: groups a region, of each type of file system
MOST_RULES = 300  # the same: rules a group


@action("NAS", "CreateAccessGroup")
def create_access_group(cloud: Cloud, params: Params) -> Json:
    """Makes an empty group."""
    name, kind = access_group_name(params), one_of(params, "FileSystemType", *KINDS)
    words = nas_description(params)
    key = f"{name}:{kind}"
    if cloud.store.get("access_group", key) or name == DEFAULT:
        raise ApiError(403, "InvalidAccessGroup.AlreadyExisted", f"The access group {name} already exists.")
    group = params.text("AccessGroupType", "Vpc")
    if group not in ("Vpc", "Classic"):
        raise invalid("AccessGroupType", "it is neither Vpc nor Classic")
    if group == "Classic":
        raise ApiError(400, "UnsupportedParameter.LocalCloud", "The local cloud does not implement Classic: use Vpc.")
    if sum(each["FileSystemType"] == kind for each in cloud.store.all("access_group")) >= QUOTA:
        raise ApiError(
            403, "OperationDenied.AccessGroupCountsExceeded", "The amount of AccessGroup has reached its limits."
        )
    document: Json = {
        "AccessGroupName": name, "AccessGroupType": group, "FileSystemType": kind, "CreateTime": stamp(),
        "Description": words, "RegionId": cloud.settings.region, "_rules": [],
    }  # fmt: skip
    cloud.store.put("access_group", key, document)
    return {"AccessGroupName": name}


@action("NAS", "DescribeAccessGroups")
def describe_access_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by name, of one kind of file system."""
    name, kind = params.text("AccessGroupName"), one_of(params, "FileSystemType", *KINDS)
    found = [
        {**public(group), "RuleCount": len(group["_rules"]), "MountTargetCount": _users(cloud, group)}
        for group in [_default(cloud, kind), *cloud.store.all("access_group")]
        if group["FileSystemType"] == kind and name in ("", group["AccessGroupName"])
    ]
    return page(found, params, "AccessGroups", "AccessGroup")


@action("NAS", "ModifyAccessGroup")
def modify_access_group(cloud: Cloud, params: Params) -> Json:
    """Changes the description."""
    group = _group(cloud, params, change="Modify")
    group["Description"] = nas_description(params)
    _keep(cloud, group)
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
    cloud.store.delete("access_group", f"{group['AccessGroupName']}:{group['FileSystemType']}")
    return {}


@action("NAS", "CreateAccessRule")
def create_access_rule(cloud: Cloud, params: Params) -> Json:
    """Lets a range of addresses mount."""
    group = _group(cloud, params, change="Modify")
    if len(group["_rules"]) >= MOST_RULES:
        raise ApiError(
            403, "OperationDenied.AccessRuleCountsExceeded", "The amount of AccessRule has reached its limits."
        )
    rule: Json = {
        "AccessRuleId": cloud.new_id("ar"), "SourceCidrIp": "", "Ipv6SourceCidrIp": params.text("Ipv6SourceCidrIp"),
        "RWAccess": "RDWR", "UserAccess": "no_squash", "Priority": 1, "RegionId": cloud.settings.region,
        "AccessGroupName": group["AccessGroupName"], "FileSystemType": group["FileSystemType"],
    }  # fmt: skip
    _change(rule, params)
    group["_rules"].append(rule)
    _keep(cloud, group)
    return {"AccessRuleId": rule["AccessRuleId"]}


@action("NAS", "DescribeAccessRules")
def describe_access_rules(cloud: Cloud, params: Params) -> Json:
    """Rules of a group."""
    group, wanted = _group(cloud, params), params.text("AccessRuleId")
    found = [rule for rule in group["_rules"] if wanted in ("", rule["AccessRuleId"])]
    return page(found, params, "AccessRules", "AccessRule")


@action("NAS", "ModifyAccessRule")
def modify_access_rule(cloud: Cloud, params: Params) -> Json:
    """Changes a rule."""
    group = _group(cloud, params, change="Modify")
    _change(_rule(group, params), params)
    _keep(cloud, group)
    return {}


@action("NAS", "DeleteAccessRule")
def delete_access_rule(cloud: Cloud, params: Params) -> Json:
    """Takes a rule away."""
    group = _group(cloud, params, change="Modify")
    group["_rules"].remove(_rule(group, params))
    _keep(cloud, group)
    return {}


def _change(rule: Json, params: Params) -> None:
    cidr = params.text("SourceCidrIp", rule["SourceCidrIp"])
    wide = params.text("Ipv6SourceCidrIp", rule["Ipv6SourceCidrIp"])
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
    access, squash = params.text("RWAccessType", rule["RWAccess"]), params.text("UserAccessType", rule["UserAccess"])
    if access not in READ_WRITE:
        raise invalid("RWAccessType", f"{access} is not one of {', '.join(READ_WRITE)}")
    if squash not in SQUASH:
        raise invalid("UserAccessType", f"{squash} is not one of {', '.join(SQUASH)}")
    priority = params.number("Priority", rule["Priority"], 1, 100)
    rule.update(SourceCidrIp=cidr, Ipv6SourceCidrIp=wide, RWAccess=access, UserAccess=squash, Priority=priority)


def _rule(group: Json, params: Params) -> Json:
    key = params.need("AccessRuleId")
    for rule in group["_rules"]:
        if rule["AccessRuleId"] == key:
            return cast(Json, rule)
    raise ApiError(404, RULE_MISSING[0], f"The specified access rule does not exist: {key}.")


def _group(cloud: Cloud, params: Params, change: str = "") -> Json:
    name, kind = params.need("AccessGroupName"), one_of(params, "FileSystemType", *KINDS)
    if name == DEFAULT:
        if change:
            raise ApiError(
                403, f"OperationDenied.DefaultAccessGroupCannot{change}",
                f"The default AccessGroup can not be {'deleted' if change == 'Delete' else 'modified'}.",
            )  # fmt: skip
        return _default(cloud, kind)
    key = f"{name}:{kind}"
    return cloud.need("access_group", key, *MISSING)


def _default(cloud: Cloud, kind: str) -> Json:
    """The group that every account has: all of a VPC may mount."""
    rule: Json = {
        "AccessRuleId": "1", "SourceCidrIp": "0.0.0.0/0", "Ipv6SourceCidrIp": "", "RWAccess": "RDWR",
        "UserAccess": "no_squash", "Priority": 1, "RegionId": cloud.settings.region, "AccessGroupName": DEFAULT,
        "FileSystemType": kind,
    }  # fmt: skip
    return {
        "AccessGroupName": DEFAULT, "AccessGroupType": "Vpc", "FileSystemType": kind,
        "CreateTime": "2017-06-26T00:00:00Z", "Description": "The default VPC permission group",
        "RegionId": cloud.settings.region, "_rules": [rule],
    }  # fmt: skip


def _keep(cloud: Cloud, group: Json) -> None:
    cloud.store.put("access_group", f"{group['AccessGroupName']}:{group['FileSystemType']}", group)
    publish_group(cloud, group["AccessGroupName"])


def _users(cloud: Cloud, group: Json) -> int:
    return sum(
        target["AccessGroup"] == group["AccessGroupName"] and target["_kind"] == group["FileSystemType"]
        for target in cloud.store.all("mount_target")
    )
