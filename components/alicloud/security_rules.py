"""Rules of security groups that nobody declared: found by comparing, revoked by their ids."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

from components.alicloud.api import Api, ApiError, tagged
from components.alicloud.tags import STACK

PEERS = (
    *("SourceCidrIp", "SourceGroupId", "Ipv6SourceCidrIp", "SourcePrefixListId"),
    *("DestCidrIp", "DestGroupId", "Ipv6DestCidrIp", "DestPrefixListId"),
)
"""Fields of a rule that name the other side; one of them is filled in."""
MOST = 100
"""Rules that one RevokeSecurityGroup takes by their ids."""


@dataclass(frozen=True)
class Rule:
    """What a rule of a security group does.

    Attributes:
        peer: the other side: a range, a group or a prefix list.
        ports: first/last; -1/-1 is all.
        protocol: TCP, UDP, ICMP, GRE or ALL.
        direction: ingress or egress.
        policy: accept or drop.
    """

    peer: str
    ports: str
    protocol: str = "TCP"
    direction: str = "ingress"
    policy: str = "accept"

    def __str__(self) -> str:
        way = "from" if self.direction == "ingress" else "to"
        ports = "" if self.ports == "-1/-1" else f" {self.ports}"
        return f"{self.policy} {self.protocol}{ports} {way} {self.peer}"


@dataclass(frozen=True)
class UndeclaredRule:
    """A rule that was not declared.

    Attributes:
        group: its security group's id.
        group_name: and name.
        id: its own id.
        rule: what it does.
    """

    group: str
    group_name: str
    id: str
    rule: Rule

    def __str__(self) -> str:
        return f"`{self.rule}` in security group {self.group} ({self.group_name})"


def ingress(port: int, cidr: str) -> Rule:
    """The rule that lets a range in to a TCP port."""
    return Rule(_network(cidr), f"{port}/{port}")


def as_data(rules: Collection[Rule]) -> list[dict[str, str]]:
    """Rules as JSON."""
    return [asdict(rule) for rule in rules]


def _group_ids(api: Api, stack: str, names: Collection[str]) -> dict[str, str]:
    """Ids by name of the groups that carry the stack's tag."""
    found = api.pages("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", Tag=tagged({STACK: stack}))
    return {each["SecurityGroupName"]: each["SecurityGroupId"] for each in found if each["SecurityGroupName"] in names}


def undeclared(api: Api, group: str, declared: Collection[Rule]) -> Iterator[UndeclaredRule]:
    """The rules of a group beside the declared ones. Priority doesn't tell rules apart: another one opens no more."""
    response = api.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group, Direction="all")
    for entry in response["Permissions"].get("Permission") or []:
        if (rule := _rule(entry)) not in declared:
            yield UndeclaredRule(group, response.get("SecurityGroupName", ""), entry["SecurityGroupRuleId"], rule)


def find_undeclared(api: Api, stack: str, declared: Mapping[str, Collection[Rule]]) -> list[UndeclaredRule]:
    """Rules beside the declared ones, of groups that carry the stack's tag.

    Args:
        api: the account.
        stack: the deployment's own name.
        declared: rules by the group's name.
    """
    ids = _group_ids(api, stack, declared)
    return [rule for name, group in ids.items() for rule in undeclared(api, group, declared[name])]


def find_missing(api: Api, stack: str, declared: Mapping[str, Collection[Rule]]) -> list[tuple[str, Rule]]:
    """Group's name and rule of each declared rule that a group with the stack's tag lacks; as `find_undeclared`."""
    found = []
    for name, group in _group_ids(api, stack, declared).items():
        response = api.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group, Direction="all")
        standing = {_rule(entry) for entry in response["Permissions"].get("Permission") or []}
        found += [(name, rule) for rule in declared[name] if rule not in standing]
    return found


def revoke_undeclared(api: Api, declared: Mapping[str, Collection[Rule]]) -> list[UndeclaredRule]:
    """Revokes what stands beside the declared rules of groups, by their ids, and looks again.

    Returns:
        What was revoked.

    Raises:
        ApiError: a rule stays.
    """
    gone = [each for group, rules in declared.items() for each in undeclared(api, group, rules)]
    for group in declared:
        for direction, action in (("ingress", "RevokeSecurityGroup"), ("egress", "RevokeSecurityGroupEgress")):
            ids = [each.id for each in gone if (each.group, each.rule.direction) == (group, direction)]
            for first in range(0, len(ids), MOST):
                api.call("ecs", action, SecurityGroupId=group, SecurityGroupRuleId=ids[first : first + MOST])
    left = [each for group, rules in declared.items() for each in undeclared(api, group, rules)] if gone else []
    if left:
        raise ApiError("StillOpen", f"still there: {', '.join(map(str, left))}; revoke it in the console")
    return gone


def _rule(entry: Mapping[str, str]) -> Rule:
    peer = next((entry[field] for field in PEERS if entry.get(field)), "")
    return Rule(
        _network(peer),
        entry["PortRange"],
        entry["IpProtocol"].upper(),
        entry["Direction"].lower(),
        entry["Policy"].lower(),
    )


def _network(peer: str) -> str:
    """A range as one would write it: the cloud may drop /32; groups and lists are no ranges."""
    try:
        return str(ipaddress.ip_network(peer, strict=False))
    except ValueError:
        return peer
