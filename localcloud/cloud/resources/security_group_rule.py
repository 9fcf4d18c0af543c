"""Rules of security groups."""

import ipaddress
import re

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.params import Params
from localcloud.cloud.resources.security_group import MISSING
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, missing, not_found

PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")
QUOTA = 200  # Alibaba's default quota of rules a group and direction
# What makes two rules the same: the cloud adds such a rule only once.
SAME = (
    "Direction", "IpProtocol", "PortRange", "SourceCidrIp", "DestCidrIp", "SourceGroupId", "DestGroupId", "Policy",
    "Ipv6SourceCidrIp", "Ipv6DestCidrIp", "NicType", "SourcePrefixListId", "DestPrefixListId", "Priority",
)  # fmt: skip
PEERS = {
    "ingress": ("SourceCidrIp", "SourceGroupId", "Ipv6SourceCidrIp", "SourcePrefixListId"),
    "egress": ("DestCidrIp", "DestGroupId", "Ipv6DestCidrIp", "DestPrefixListId"),
}


@action("Ecs", "AuthorizeSecurityGroup")
def authorize_security_group(cloud: Cloud, params: Params) -> Json:
    """Adds rules for what comes in."""
    return _authorize(cloud, params, "ingress")


@action("Ecs", "AuthorizeSecurityGroupEgress")
def authorize_security_group_egress(cloud: Cloud, params: Params) -> Json:
    """Adds rules for what goes out."""
    return _authorize(cloud, params, "egress")


@action("Ecs", "RevokeSecurityGroup")
def revoke_security_group(cloud: Cloud, params: Params) -> Json:
    """Takes rules away; none that fits is no error, as in the cloud."""
    return _revoke(cloud, params, "ingress")


@action("Ecs", "RevokeSecurityGroupEgress")
def revoke_security_group_egress(cloud: Cloud, params: Params) -> Json:
    """Takes rules away; none that fits is no error, as in the cloud."""
    return _revoke(cloud, params, "egress")


@action("Ecs", "ModifySecurityGroupRule")
def modify_security_group_rule(cloud: Cloud, params: Params) -> Json:
    """Changes a rule for what comes in."""
    return _modify(cloud, params, "ingress")


@action("Ecs", "ModifySecurityGroupEgressRule")
def modify_security_group_egress_rule(cloud: Cloud, params: Params) -> Json:
    """Changes a rule for what goes out."""
    return _modify(cloud, params, "egress")


def _authorize(cloud: Cloud, params: Params, direction: str) -> Json:
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    rules = [_rule(cloud, wish, direction) for wish in params.structs("Permissions") or [params]]
    for rule in rules:
        _fits_group(cloud, group, rule)
    kept = group["_rules"]
    for rule in rules:
        if not any(all(rule[field] == other[field] for field in SAME) for other in kept):
            kept.append(rule)
    if sum(rule["Direction"] == direction for rule in kept) > QUOTA:
        del kept[-len(rules) :]
        raise ApiError(403, "AuthorizationLimitExceed", "The limit of authorization records in the group is reached.")
    _keep(cloud, group)
    return {}


def _revoke(cloud: Cloud, params: Params, direction: str) -> Json:
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    ids = params.items("SecurityGroupRuleId")
    if ids:
        known = {rule["SecurityGroupRuleId"] for rule in group["_rules"]}
        if unknown := [key for key in ids if key not in known]:
            raise not_found("InvalidSecurityGroupRuleId.NotFound", f"security group rule {unknown[0]}")
        group["_rules"] = [rule for rule in group["_rules"] if rule["SecurityGroupRuleId"] not in ids]
    else:
        for wish in params.structs("Permissions") or [params]:
            unwanted = _rule(cloud, wish, direction)
            group["_rules"] = [
                rule for rule in group["_rules"] if not all(rule[field] == unwanted[field] for field in SAME)
            ]
    _keep(cloud, group)
    return {}


def _modify(cloud: Cloud, params: Params, direction: str) -> Json:
    group = cloud.need("security_group", params.need("SecurityGroupId"), *MISSING)
    key = params.text("SecurityGroupRuleId")
    if key:
        fitting = [rule for rule in group["_rules"] if rule["SecurityGroupRuleId"] == key]
    else:  # the older way: the rule is named by what it is, and only its description can change
        wish = _rule(cloud, params, direction)
        fitting = [rule for rule in group["_rules"] if all(rule[field] == wish[field] for field in SAME)]
    if not fitting:
        raise not_found("InvalidSecurityGroupRule.NotFound", "security group rule")
    rule = fitting[0]
    if params.given("Description"):
        rule["Description"] = params.text("Description")
    for field in ("PortRange", "IpProtocol", "Policy", "Priority", *PEERS[direction]):
        if key and field in params:
            rule[field] = params.text(field)
    rule.update(_checked(rule))
    _fits_group(cloud, group, rule)
    _keep(cloud, group)
    return {}


def _fits_group(cloud: Cloud, group: Json, rule: Json) -> None:
    """What a rule may not be in this group; raises ApiError with the codes of the action's table of errors."""
    if rule["NicType"] != "intranet":
        raise ApiError(400, "InvalidNicType.ValueNotSupported", "A group of a VPC has rules for NicType intranet only.")
    for field, same in (("SourceGroupId", "InvalidParamter.Conflict"), ("DestGroupId", "InvalidSecurityGroup.IsSame")):
        if not rule[field]:
            continue
        if group["SecurityGroupType"] == "enterprise":
            raise ApiError(
                400, "InvalidGroupParameter.OperationDenied", f"An advanced security group takes no {field}."
            )
        if rule[field] == group["SecurityGroupId"]:
            raise ApiError(403, same, f"The specified SecurityGroupId should be different from the {field}.")
        other = cloud.store.get("security_group", rule[field]) or {}
        if other.get("VpcId") != group["VpcId"]:
            raise ApiError(400, f"Invalid{field}.Mismatch", "The security groups are not in the same VPC.")


def _keep(cloud: Cloud, group: Json) -> None:
    group["RuleCount"] = len(group["_rules"])
    cloud.store.put("security_group", group["SecurityGroupId"], group)
    apply_to(cloud, group["VpcId"])


def _rule(cloud: Cloud, wish: Params, direction: str) -> Json:
    peers = {field: wish.text(field) for directions in PEERS.values() for field in directions}
    for directions, fields in PEERS.items():
        if directions != direction:
            peers.update(dict.fromkeys(fields, ""))
    if not any(peers.values()):
        raise missing(PEERS[direction][0])
    for field in ("SourceGroupId", "DestGroupId"):
        if peers[field] and not cloud.store.get("security_group", peers[field]):
            raise not_found(f"Invalid{field}.NotFound", f"security group {peers[field]}")
    rule: Json = {
        "SecurityGroupRuleId": cloud.new_id("sgr"), "Direction": direction, "IpProtocol": wish.need("IpProtocol"),
        "PortRange": wish.text("PortRange"), "Policy": wish.text("Policy", "accept"),
        "Priority": wish.text("Priority", "1"), "NicType": wish.text("NicType", "intranet"),
        "Description": wish.text("Description"), "CreateTime": stamp(), "SourceGroupName": "", "DestGroupName": "",
        "SourceGroupOwnerAccount": wish.text("SourceGroupOwnerAccount"), "SourcePortRange": "",
        "DestGroupOwnerAccount": wish.text("DestGroupOwnerAccount"), "SourcePrefixListName": "",
        "DestPrefixListName": "", **peers,
    }  # fmt: skip
    return {**rule, **_checked(rule)}


def _checked(rule: Json) -> Json:
    """Protocol, ports, policy, priority and CIDRs as the cloud writes them back; raises ApiError."""
    protocol = str(rule["IpProtocol"]).upper()
    if protocol not in PROTOCOLS:
        raise ApiError(400, "InvalidIpProtocol.Malformed", f"The specified IP protocol is not valid: {protocol}.")
    ports = rule["PortRange"] or "-1/-1"
    match = re.fullmatch(r"(-?\d+)/(-?\d+)", ports)
    if not match:
        raise ApiError(400, "InvalidIpPortRange.Malformed", f"The port range is written first/last: {ports}.")
    first, last = int(match[1]), int(match[2])
    whole = (first, last) == (-1, -1)
    if protocol in ("TCP", "UDP") and not 1 <= first <= last <= 65535:
        raise ApiError(400, "InvalidPortRange.Malformed", f"Ports of {protocol} are within 1/65535: {ports}.")
    if protocol not in ("TCP", "UDP") and not whole:
        raise ApiError(400, "InvalidParamter.Conflict", f"{protocol} has no ports: the range must be -1/-1.")
    policy = str(rule["Policy"]).capitalize()
    if policy not in ("Accept", "Drop"):
        raise invalid("Policy", f"{policy} is neither accept nor drop")
    if not str(rule["Priority"]).isdigit() or not 1 <= int(rule["Priority"]) <= 100:
        raise invalid("Priority", f"{rule['Priority']} is not within 1 and 100")
    cidrs = {}
    for field in ("SourceCidrIp", "DestCidrIp"):
        if rule[field]:
            try:
                ipaddress.IPv4Network(rule[field], strict=False)
            except ValueError:
                raise ApiError(400, f"Invalid{field}.Malformed", f"{rule[field]} is no CIDR block.") from None
            cidrs[field] = rule[field]
    return {"IpProtocol": protocol, "PortRange": ports, "Policy": policy, "Priority": str(rule["Priority"]), **cidrs}
