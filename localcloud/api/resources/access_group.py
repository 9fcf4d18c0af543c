"""NAS access groups and their rules: who may mount."""

import ipaddress
from typing import cast

from localcloud.api.answers import page, public
from localcloud.api.cloud import Cloud, stamp
from localcloud.api.errors import ApiError, invalid
from localcloud.api.params import Params
from localcloud.api.registry import Json, action
from localcloud.api.shares import publish_group

MISSING = ("InvalidAccessGroup.NotFound", "access group")
RULE_MISSING = ("InvalidAccessRule.NotFound", "access rule")
READ_WRITE = ("RDWR", "RDONLY")
SQUASH = ("no_squash", "root_squash", "all_squash")
DEFAULT = "DEFAULT_VPC_GROUP_NAME"  # in every account, open to the whole VPC


@action("NAS", "CreateAccessGroup")
def create_access_group(cloud: Cloud, params: Params) -> Json:
    """Makes an empty group."""
    name, kind = params.need("AccessGroupName"), params.text("FileSystemType", "standard")
    key = f"{name}:{kind}"
    if cloud.store.get("access_group", key) or name == DEFAULT:
        raise ApiError(400, "InvalidAccessGroup.AlreadyExisted", f"The access group {name} already exists.")
    group = params.text("AccessGroupType", "Vpc")
    if group not in ("Vpc", "Classic"):
        raise invalid("AccessGroupType", "it is neither Vpc nor Classic")
    document: Json = {
        "AccessGroupName": name, "AccessGroupType": group, "FileSystemType": kind, "CreateTime": stamp(),
        "Description": params.text("Description"), "RegionId": cloud.settings.region, "_rules": [],
    }  # fmt: skip
    cloud.store.put("access_group", key, document)
    return {"AccessGroupName": name}


@action("NAS", "DescribeAccessGroups")
def describe_access_groups(cloud: Cloud, params: Params) -> Json:
    """Groups by name, of one kind of file system."""
    name, kind = params.text("AccessGroupName"), params.text("FileSystemType", "standard")
    found = [
        {**public(group), "RuleCount": len(group["_rules"]), "MountTargetCount": _users(cloud, group)}
        for group in cloud.store.all("access_group")
        if group["FileSystemType"] == kind and name in ("", group["AccessGroupName"])
    ]
    return page(found, params, "AccessGroups", "AccessGroup")


@action("NAS", "ModifyAccessGroup")
def modify_access_group(cloud: Cloud, params: Params) -> Json:
    """Changes the description."""
    group = _group(cloud, params)
    group["Description"] = params.text("Description")
    _keep(cloud, group)
    return {}


@action("NAS", "DeleteAccessGroup")
def delete_access_group(cloud: Cloud, params: Params) -> Json:
    """Takes a group away that no mount target uses."""
    group = _group(cloud, params)
    if _users(cloud, group):
        raise ApiError(
            403, "OperationDenied.AccessGroupInUse", f"The access group {group['AccessGroupName']} has mount targets."
        )
    cloud.store.delete("access_group", f"{group['AccessGroupName']}:{group['FileSystemType']}")
    return {}


@action("NAS", "CreateAccessRule")
def create_access_rule(cloud: Cloud, params: Params) -> Json:
    """Lets a range of addresses mount."""
    group = _group(cloud, params)
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
    group = _group(cloud, params)
    _change(_rule(group, params), params)
    _keep(cloud, group)
    return {}


@action("NAS", "DeleteAccessRule")
def delete_access_rule(cloud: Cloud, params: Params) -> Json:
    """Takes a rule away."""
    group = _group(cloud, params)
    group["_rules"].remove(_rule(group, params))
    _keep(cloud, group)
    return {}


def _change(rule: Json, params: Params) -> None:
    cidr = params.text("SourceCidrIp", rule["SourceCidrIp"])
    try:
        if cidr:
            ipaddress.IPv4Network(cidr, strict=False)
        elif not rule["Ipv6SourceCidrIp"]:
            raise ValueError
    except ValueError:
        raise ApiError(400, "InvalidSourceCidrIp.Malformed", f"The source is no CIDR block: {cidr!r}.") from None
    access, squash = params.text("RWAccessType", rule["RWAccess"]), params.text("UserAccessType", rule["UserAccess"])
    if access not in READ_WRITE:
        raise invalid("RWAccessType", f"{access} is not one of {', '.join(READ_WRITE)}")
    if squash not in SQUASH:
        raise invalid("UserAccessType", f"{squash} is not one of {', '.join(SQUASH)}")
    priority = params.number("Priority", rule["Priority"], 1, 100)
    rule.update(SourceCidrIp=cidr, RWAccess=access, UserAccess=squash, Priority=priority)


def _rule(group: Json, params: Params) -> Json:
    key = params.need("AccessRuleId")
    for rule in group["_rules"]:
        if rule["AccessRuleId"] == key:
            return cast(Json, rule)
    raise ApiError(404, RULE_MISSING[0], f"The specified access rule does not exist: {key}.")


def _group(cloud: Cloud, params: Params) -> Json:
    key = f"{params.need('AccessGroupName')}:{params.text('FileSystemType', 'standard')}"
    return cloud.need("access_group", key, *MISSING)


def _keep(cloud: Cloud, group: Json) -> None:
    cloud.store.put("access_group", f"{group['AccessGroupName']}:{group['FileSystemType']}", group)
    publish_group(cloud, group["AccessGroupName"])


def _users(cloud: Cloud, group: Json) -> int:
    return sum(
        target["AccessGroup"] == group["AccessGroupName"] and target["_kind"] == group["FileSystemType"]
        for target in cloud.store.all("mount_target")
    )
