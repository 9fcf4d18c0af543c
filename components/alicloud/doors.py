"""Rules of security groups that nobody declared: found by comparing, taken away by their ids."""

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
class Door:
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
class Stranger:
    """A rule that was not declared.

    Attributes:
        group: its security group's id.
        group_name: and name.
        id: its own id.
        door: what it does.
    """

    group: str
    group_name: str
    id: str
    door: Door

    def __str__(self) -> str:
        return f"`{self.door}` in security group {self.group} ({self.group_name})"


def into(port: int, cidr: str) -> Door:
    """The door that lets a range in to a TCP port."""
    return Door(_network(cidr), f"{port}/{port}")


def as_words(doors: Collection[Door]) -> list[dict[str, str]]:
    """Doors as JSON."""
    return [asdict(door) for door in doors]


def groups(api: Api, stack: str, names: Collection[str]) -> dict[str, str]:
    """Ids by name of the groups that carry the stack's tag."""
    found = api.pages("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", Tag=tagged({STACK: stack}))
    return {each["SecurityGroupName"]: each["SecurityGroupId"] for each in found if each["SecurityGroupName"] in names}


def strangers(api: Api, group: str, declared: Collection[Door]) -> Iterator[Stranger]:
    """The rules of a group beside the declared ones. Priority doesn't tell rules apart: another one opens no more."""
    told = api.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group, Direction="all")
    for rule in told["Permissions"].get("Permission") or []:
        if (door := _door(rule)) not in declared:
            yield Stranger(group, told.get("SecurityGroupName", ""), rule["SecurityGroupRuleId"], door)


def close(api: Api, declared: Mapping[str, Collection[Door]]) -> list[Stranger]:
    """Takes away what stands beside the declared rules of groups, by their ids, and looks again.

    Returns:
        What was taken away.

    Raises:
        ApiError: a rule stays.
    """
    gone = [each for group, doors in declared.items() for each in strangers(api, group, doors)]
    for group in declared:
        for direction, action in (("ingress", "RevokeSecurityGroup"), ("egress", "RevokeSecurityGroupEgress")):
            ids = [each.id for each in gone if (each.group, each.door.direction) == (group, direction)]
            for first in range(0, len(ids), MOST):
                api.call("ecs", action, SecurityGroupId=group, SecurityGroupRuleId=ids[first : first + MOST])
    left = [each for group, doors in declared.items() for each in strangers(api, group, doors)] if gone else []
    if left:
        raise ApiError("StillOpen", f"still there: {', '.join(map(str, left))}; take it away in the console")
    return gone


def _door(rule: Mapping[str, str]) -> Door:
    peer = next((rule[field] for field in PEERS if rule.get(field)), "")
    return Door(
        _network(peer), rule["PortRange"], rule["IpProtocol"].upper(), rule["Direction"].lower(), rule["Policy"].lower()
    )


def _network(peer: str) -> str:
    """A range as one would write it: the cloud may drop /32; groups and lists are no ranges."""
    try:
        return str(ipaddress.ip_network(peer, strict=False))
    except ValueError:
        return peer
