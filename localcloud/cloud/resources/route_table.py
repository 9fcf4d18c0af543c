"""Route tables: the system's one of each VPC."""

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import RouteTable, VSwitch
from localcloud.cloud.paging import copy_given, page
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import not_found

MISSING = ("InvalidRouteTableId.NotFound", "route table")


def create_system_table(cloud: Cloud, vpc: str, router: str) -> str:
    """Makes the table that a VPC is born with; returns its id."""
    key = cloud.new_id("vtb")
    table = RouteTable(
        route_table_id=key,
        vpc_id=vpc,
        router_id=router,
        creation_time=stamp(),
        owner_id=int(cloud.settings.account),
        resource_group_id=f"rg-{cloud.settings.account}",
    )
    cloud.store.put(table)
    return key


@action("Vpc", "DescribeRouteTableList")
def describe_route_table_list(cloud: Cloud, params: Params) -> Json:
    """Route tables of a VPC."""
    vpc, wanted = params.text("VpcId"), params.text("RouteTableId")
    found = [
        _shown(cloud, table)
        for table in cloud.store.all(RouteTable)
        if (not vpc or table.vpc_id == vpc) and (not wanted or table.route_table_id == wanted)
    ]
    return page(found, params, "RouterTableList", "RouterTableListType", most=50)


@action("Vpc", "ModifyRouteTableAttributes")
def modify_route_table_attributes(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    table = cloud.need(RouteTable, params.need("RouteTableId"), *MISSING)
    copy_given(table, params, "RouteTableName", "Description")
    if "RoutePropagationEnable" in params:
        table.route_propagation_enable = params.flag("RoutePropagationEnable")
    cloud.store.put(table)
    return {}


@action("Vpc", "DescribeRouteEntryList")
def describe_route_entry_list(cloud: Cloud, params: Params) -> Json:
    """The routes that the system made: one to each vSwitch."""
    key = params.need("RouteTableId")
    table = cloud.store.get(RouteTable, key)
    if table is None:
        raise not_found("InvalidRouteTable.NotFound", "route table")
    entries = [
        {
            "RouteTableId": key,
            "DestinationCidrBlock": vswitch.cidr_block,
            "Status": "Available",
            "Type": "System",
            "RouteEntryName": "",
            "Description": "",
            "IpVersion": "ipv4",
            "RouteEntryId": "",
            "NextHops": {"NextHop": [{"NextHopType": "local", "NextHopId": "", "Enabled": 1, "Weight": 0}]},
        }
        for vswitch in cloud.store.all(VSwitch)
        if vswitch.vpc_id == table.vpc_id
    ]
    return {"RouteEntrys": {"RouteEntry": entries}, "NextToken": ""}


def _shown(cloud: Cloud, table: RouteTable) -> Json:
    vswitches = [vswitch.vswitch_id for vswitch in cloud.store.all(VSwitch) if vswitch.vpc_id == table.vpc_id]
    return {**table.wire(), "VSwitchIds": {"VSwitchId": vswitches}}
