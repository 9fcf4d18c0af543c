"""Rules of security groups."""

import ipaddress
import re

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.model import SecurityGroup, SecurityRule
from localcloud.cloud.params import Params
from localcloud.cloud.resources.security_group import MISSING
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, missing, not_found

PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")
QUOTA = 200  # Alibaba's default quota of rules a group and direction
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
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    rules = [_rule(cloud, given, direction) for given in params.structs("Permissions") or [params]]
    for rule in rules:
        _fits_group(cloud, group, rule)
    kept = group.rules
    for rule in rules:
        if not any(rule.same_as(other) for other in kept):
            kept.append(rule)
    if sum(rule.direction == direction for rule in kept) > QUOTA:
        raise ApiError(403, "AuthorizationLimitExceed", "The limit of authorization records in the group is reached.")
    _save(cloud, group)
    return {}


def _revoke(cloud: Cloud, params: Params, direction: str) -> Json:
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    ids = params.items("SecurityGroupRuleId")
    if ids:
        known = {rule.security_group_rule_id for rule in group.rules}
        if unknown := [key for key in ids if key not in known]:
            raise not_found("InvalidSecurityGroupRuleId.NotFound", f"security group rule {unknown[0]}")
        group.rules = [rule for rule in group.rules if rule.security_group_rule_id not in ids]
    else:
        for given in params.structs("Permissions") or [params]:
            unwanted = _rule(cloud, given, direction)
            group.rules = [rule for rule in group.rules if not rule.same_as(unwanted)]
    _save(cloud, group)
    return {}


def _modify(cloud: Cloud, params: Params, direction: str) -> Json:
    group = cloud.need(SecurityGroup, params.need("SecurityGroupId"), *MISSING)
    key = params.text("SecurityGroupRuleId")
    if key:
        fitting = [rule for rule in group.rules if rule.security_group_rule_id == key]
    else:  # the older way: the rule is named by what it is, and only its description can change
        described = _rule(cloud, params, direction)
        fitting = [rule for rule in group.rules if rule.same_as(described)]
    if not fitting:
        raise not_found("InvalidSecurityGroupRule.NotFound", "security group rule")
    rule = fitting[0]
    if params.given("Description"):
        rule.description = params.text("Description")
    for field in ("PortRange", "IpProtocol", "Policy", "Priority", *PEERS[direction]):
        if key and field in params:
            rule.set_wire(field, params.text(field))
    _normalise(rule)
    _fits_group(cloud, group, rule)
    _save(cloud, group)
    return {}


def _fits_group(cloud: Cloud, group: SecurityGroup, rule: SecurityRule) -> None:
    """What a rule may not be in this group; raises ApiError with the codes of the action's table of errors."""
    if rule.nic_type != "intranet":
        raise ApiError(400, "InvalidNicType.ValueNotSupported", "A group of a VPC has rules for NicType intranet only.")
    for field, key, same in (
        ("SourceGroupId", rule.source_group_id, "InvalidParamter.Conflict"),
        ("DestGroupId", rule.dest_group_id, "InvalidSecurityGroup.IsSame"),
    ):
        if not key:
            continue
        if group.security_group_type == "enterprise":
            raise ApiError(
                400, "InvalidGroupParameter.OperationDenied", f"An advanced security group takes no {field}."
            )
        if key == group.security_group_id:
            raise ApiError(403, same, f"The specified SecurityGroupId should be different from the {field}.")
        other = cloud.store.get(SecurityGroup, key)
        if other is None or other.vpc_id != group.vpc_id:
            raise ApiError(400, f"Invalid{field}.Mismatch", "The security groups are not in the same VPC.")


def _save(cloud: Cloud, group: SecurityGroup) -> None:
    cloud.store.put(group)
    apply_to(cloud, group.vpc_id)


def _rule(cloud: Cloud, given: Params, direction: str) -> SecurityRule:
    names = PEERS[direction]
    if not any(name in given for name in names):
        raise missing(names[0])
    rule = SecurityRule(
        security_group_rule_id=cloud.new_id("sgr"),
        direction=direction,
        ip_protocol=given.need("IpProtocol"),
        port_range=given.text("PortRange"),
        policy=given.text("Policy", "accept"),
        priority=given.text("Priority", "1"),
        nic_type=given.text("NicType", "intranet"),
        description=given.text("Description"),
        create_time=stamp(),
        source_group_owner_account=given.text("SourceGroupOwnerAccount"),
        dest_group_owner_account=given.text("DestGroupOwnerAccount"),
    )
    for name in names:
        rule.set_wire(name, given.text(name))
    for field, key in (("SourceGroupId", rule.source_group_id), ("DestGroupId", rule.dest_group_id)):
        if key and not cloud.store.get(SecurityGroup, key):
            raise not_found(f"Invalid{field}.NotFound", f"security group {key}")
    _normalise(rule)
    return rule


def _normalise(rule: SecurityRule) -> None:
    """Gives protocol, ports, policy and priority the form in which the cloud writes them back; raises ApiError."""
    protocol = rule.ip_protocol.upper()
    if protocol not in PROTOCOLS:
        raise ApiError(400, "InvalidIpProtocol.Malformed", f"The specified IP protocol is not valid: {protocol}.")
    ports = rule.port_range or "-1/-1"
    match = re.fullmatch(r"(-?\d+)/(-?\d+)", ports)
    if not match:
        raise ApiError(400, "InvalidIpPortRange.Malformed", f"The port range is written first/last: {ports}.")
    first, last = int(match[1]), int(match[2])
    whole = (first, last) == (-1, -1)
    if protocol in ("TCP", "UDP") and not 1 <= first <= last <= 65535:
        raise ApiError(400, "InvalidPortRange.Malformed", f"Ports of {protocol} are within 1/65535: {ports}.")
    if protocol not in ("TCP", "UDP") and not whole:
        raise ApiError(400, "InvalidParamter.Conflict", f"{protocol} has no ports: the range must be -1/-1.")
    policy = rule.policy.capitalize()
    if policy not in ("Accept", "Drop"):
        raise invalid("Policy", f"{policy} is neither accept nor drop")
    if not rule.priority.isdigit() or not 1 <= int(rule.priority) <= 100:
        raise invalid("Priority", f"{rule.priority} is not within 1 and 100")
    for field, cidr in (("SourceCidrIp", rule.source_cidr_ip), ("DestCidrIp", rule.dest_cidr_ip)):
        try:
            ipaddress.IPv4Network(cidr or "0.0.0.0/0", strict=False)
        except ValueError:
            raise ApiError(400, f"Invalid{field}.Malformed", f"{cidr} is no CIDR block.") from None
    rule.ip_protocol, rule.port_range, rule.policy = protocol, ports, policy
