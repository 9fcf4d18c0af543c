"""VPCs, their vSwitches and their route tables."""

from dataclasses import dataclass

from localcloud.cloud.model.document import Changing, Resource, inner
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class Vpc(Changing):
    """A private network of IPv4 with one router.

    Attributes:
        cidr_block: its range; every vSwitch lies in it.
        dns_hostname_status: ENABLED or DISABLED.
        owner_id: number of the account.
        route_table: id of the system's own table.
        user_cidrs: ranges that the caller uses himself.
    """

    KIND = "vpc"
    ID = "vpc_id"

    vpc_id: str
    region_id: str
    cidr_block: str
    vpc_name: str
    description: str
    creation_time: str
    vrouter_id: str
    resource_group_id: str
    dns_hostname_status: str
    owner_id: int
    route_table: str = inner()
    user_cidrs: list[str] = inner(default_factory=list)

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "IsDefault": False,
            "ClassicLinkEnabled": False,
            "EnabledIpv6": False,
            "Ipv6CidrBlock": "",
            "UserCidrs": {"UserCidr": self.user_cidrs},
            "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
            "Ipv6CidrBlocks": {"Ipv6CidrBlock": []},
        }


@dataclass(kw_only=True, eq=False)
class VSwitch(Changing):
    """A range of a VPC in one zone.

    Attributes:
        route_table: id of the VPC's table.
        owner_id: number of the account.
    """

    KIND = "vswitch"
    ID = "vswitch_id"

    vswitch_id: str
    vpc_id: str
    zone_id: str
    cidr_block: str
    vswitch_name: str
    description: str
    creation_time: str
    resource_group_id: str
    owner_id: int
    route_table: str = inner()

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "Ipv6CidrBlock": "",
            "IsDefault": False,
            "NetworkAclId": "",
            "ShareType": "",
            "EnabledIpv6": False,
            "RouteTable": {"RouteTableId": self.route_table, "RouteTableType": "System"},
            "Tags": self.wire_tags(),
        }


@dataclass(kw_only=True, eq=False)
class RouteTable(Resource):
    """The table that a VPC is born with; its only routes lead to the VPC's own vSwitches."""

    KIND = "route_table"
    ID = "route_table_id"

    route_table_id: str
    vpc_id: str
    router_id: str
    creation_time: str
    owner_id: int
    resource_group_id: str
    route_table_name: str = ""
    description: str = ""
    route_propagation_enable: bool = True

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "RouterType": "VRouter",
            "RouteTableType": "System",
            "Status": "Available",
            "AssociateType": "VSwitch",
            "Tags": self.wire_tags(),
        }
