"""Security groups and their rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from localcloud.cloud.model.document import Resource, inner
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class SecurityRule(Resource):
    """A rule of one direction; one of the four peers of that direction is not empty.

    Attributes:
        direction: ingress or egress.
        ip_protocol: TCP, UDP, ICMP, ICMPV6, GRE or ALL.
        port_range: first/last; -1/-1 for all and for protocols without ports.
        policy: Accept or Drop.
        priority: 1 to 100, the smallest first.
        nic_type: intranet, in a VPC.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = (
        "direction",
        "ip_protocol",
        "port_range",
        "source_cidr_ip",
        "dest_cidr_ip",
        "source_group_id",
        "dest_group_id",
        "policy",
        "ipv6_source_cidr_ip",
        "ipv6_dest_cidr_ip",
        "nic_type",
        "source_prefix_list_id",
        "dest_prefix_list_id",
        "priority",
    )
    """What makes two rules the same: the cloud adds such a rule only once."""

    security_group_rule_id: str
    direction: str
    ip_protocol: str
    port_range: str
    policy: str
    priority: str
    nic_type: str
    description: str
    create_time: str
    source_cidr_ip: str = ""
    source_group_id: str = ""
    ipv6_source_cidr_ip: str = ""
    source_prefix_list_id: str = ""
    dest_cidr_ip: str = ""
    dest_group_id: str = ""
    ipv6_dest_cidr_ip: str = ""
    dest_prefix_list_id: str = ""
    source_group_owner_account: str = ""
    dest_group_owner_account: str = ""

    def same_as(self, other: "SecurityRule") -> bool:
        """Whether the cloud takes the other for this one."""
        return all(getattr(self, name) == getattr(other, name) for name in self.IDENTITY)

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "SourceGroupName": "",
            "DestGroupName": "",
            "SourcePortRange": "",
            "SourcePrefixListName": "",
            "DestPrefixListName": "",
        }


@dataclass(kw_only=True, eq=False)
class SecurityGroup(Resource):
    """A set of machines of one VPC with rules for what reaches them.

    Attributes:
        security_group_type: normal or enterprise.
        inner_policy: Accept when members reach each other, else Drop.
        rules: oldest first.
    """

    KIND = "security_group"
    ID = "security_group_id"
    TAG_NAMES = ("TagKey", "TagValue")

    security_group_id: str
    security_group_name: str
    vpc_id: str
    description: str
    security_group_type: str
    creation_time: str
    resource_group_id: str
    inner_policy: str = inner()
    rules: list[SecurityRule] = inner(default_factory=list)

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """See Document."""
        return cls(**{**stored, "rules": [SecurityRule.load(rule) for rule in stored["rules"]]})

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "ServiceManaged": False,
            "RuleCount": len(self.rules),
            "GroupToGroupRuleCount": 0,
            "Tags": self.wire_tags(),
        }
