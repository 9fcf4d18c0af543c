"""Route tables: the system's one of each VPC."""

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, page, public, vpc_tags
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import not_found

MISSING = ("InvalidRouteTableId.NotFound", "route table")


def create_system_table(cloud: Cloud, vpc: str, router: str) -> str:
    """Makes the table that a VPC is born with; returns its id."""
    key = cloud.new_id("vtb")
    document = {
        "RouteTableId": key, "VpcId": vpc, "RouterId": router, "RouterType": "VRouter", "RouteTableType": "System",
        "RouteTableName": "", "Description": "", "Status": "Available", "CreationTime": stamp(),
        "AssociateType": "VSwitch", "RoutePropagationEnable": True, "OwnerId": int(cloud.settings.account),
        "ResourceGroupId": f"rg-{cloud.settings.account}", "_tags": {},
    }  # fmt: skip
    cloud.store.put("route_table", key, document)
    return key


@action("Vpc", "DescribeRouteTableList")
def describe_route_table_list(cloud: Cloud, params: Params) -> Json:
    """Route tables of a VPC."""
    vpc, wanted = params.text("VpcId"), params.text("RouteTableId")
    found = [
        _shown(cloud, table)
        for table in cloud.store.all("route_table")
        if (not vpc or table["VpcId"] == vpc) and (not wanted or table["RouteTableId"] == wanted)
    ]
    return page(found, params, "RouterTableList", "RouterTableListType", most=50)


@action("Vpc", "ModifyRouteTableAttributes")
def modify_route_table_attributes(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    table = cloud.need("route_table", params.need("RouteTableId"), *MISSING)
    copy_given(table, params, {"RouteTableName": "RouteTableName", "Description": "Description"})
    if "RoutePropagationEnable" in params:
        table["RoutePropagationEnable"] = params.flag("RoutePropagationEnable")
    cloud.store.put("route_table", table["RouteTableId"], table)
    return {}


@action("Vpc", "DescribeRouteEntryList")
def describe_route_entry_list(cloud: Cloud, params: Params) -> Json:
    """The routes that the system made: one to each vSwitch."""
    key = params.need("RouteTableId")
    table = cloud.store.get("route_table", key)
    if table is None:
        raise not_found("InvalidRouteTable.NotFound", "route table")
    entries = [
        {
            "RouteTableId": key, "DestinationCidrBlock": vswitch["CidrBlock"], "Status": "Available", "Type": "System",
            "RouteEntryName": "", "Description": "", "IpVersion": "ipv4", "RouteEntryId": "",
            "NextHops": {"NextHop": [{"NextHopType": "local", "NextHopId": "", "Enabled": 1, "Weight": 0}]},
        }
        for vswitch in cloud.store.all("vswitch")
        if vswitch["VpcId"] == table["VpcId"]
    ]  # fmt: skip
    return {"RouteEntrys": {"RouteEntry": entries}, "NextToken": ""}


def _shown(cloud: Cloud, table: Json) -> Json:
    vswitches = [vswitch["VSwitchId"] for vswitch in cloud.store.all("vswitch") if vswitch["VpcId"] == table["VpcId"]]
    return {**public(table), "VSwitchIds": {"VSwitchId": vswitches}, "Tags": vpc_tags(table["_tags"])}
