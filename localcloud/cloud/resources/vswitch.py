"""vSwitches, and the addresses inside them."""

import ipaddress

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, filtered, page, public, tagged, vpc_tags
from localcloud.cloud.catalog import ZONES
from localcloud.cloud.checks import description, dry_run, new_tags, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError, dependency, not_found, wrong_status

MISSING = ("InvalidVSwitchId.NotFound", "vSwitch")
RESERVED_LAST = 3  # Alibaba's documentation: the first and the last three addresses are the system's
GATEWAY = 1  # ours: the host's end of the machines' bridge
FILTERS = {
    "VpcId": "VpcId", "ZoneId": "ZoneId", "VSwitchName": "VSwitchName", "IsDefault": "IsDefault",
    "ResourceGroupId": "ResourceGroupId", "VSwitchOwnerId": "OwnerId", "EnableIpv6": "EnabledIpv6",
}  # fmt: skip


@action("Vpc", "CreateVSwitch")
def create_vswitch(cloud: Cloud, params: Params) -> Json:
    """Makes a vSwitch in a zone, with a network of its own."""
    zone, cidr, vpc_id = params.need("ZoneId"), params.need("CidrBlock"), params.need("VpcId")
    vpc = cloud.store.get("vpc", vpc_id)
    if vpc is None:
        raise not_found("InvalidVpcId.NotFound", "VPC")
    if vpc["Status"] != "Available":
        raise wrong_status("VPC", vpc["Status"], "IncorrectVpcStatus")
    if zone not in ZONES.get(cloud.settings.region, []):
        raise ApiError(404, "InvalidZoneId.NotFound", f"The specified zone {zone} does not exist.")
    unsupported(params, "Ipv6CidrBlock", "VpcIpv6CidrBlock")
    name, tags, words = vpc_name(params, "VSwitchName"), new_tags(params), description(params)
    network = _network(cidr)
    if not network.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"])):
        raise ApiError(
            400, "InvalidCidrBlock", f"The CIDR block {cidr} is not within that of the VPC, {vpc['CidrBlock']}."
        )
    for other in cloud.store.all("vswitch"):
        if other["VpcId"] == vpc_id and network.overlaps(ipaddress.IPv4Network(other["CidrBlock"])):
            raise ApiError(
                400, "InvalidCidrBlock.Overlapped",
                f"The CIDR block {cidr} overlaps that of vSwitch {other['VSwitchId']}, {other['CidrBlock']}.",
            )  # fmt: skip
    key = cloud.new_id("vsw")
    document: Json = {
        "VSwitchId": key, "VpcId": vpc_id, "ZoneId": zone, "CidrBlock": str(network), "Ipv6CidrBlock": "",
        "VSwitchName": name, "Description": words, "IsDefault": False,
        "CreationTime": stamp(), "ResourceGroupId": vpc["ResourceGroupId"], "NetworkAclId": "", "ShareType": "",
        "OwnerId": int(cloud.settings.account), "EnabledIpv6": False, "_tags": tags, "_table": vpc["_table"],
    }  # fmt: skip
    try:
        cloud.backend.open_network(key, vpc_id, str(network))
    except LocalCloudError as error:  # a range that this computer itself uses, where the real cloud has no such limit
        raise ApiError(400, "InvalidCidrBlock.Conflict", str(error)) from None
    cloud.begin("vswitch", key, document, status="Pending", then="Available")
    return {"VSwitchId": key}


@action("Vpc", "DescribeVSwitchAttributes")
def describe_vswitch_attributes(cloud: Cloud, params: Params) -> Json:
    """One vSwitch."""
    return _shown(cloud, cloud.need("vswitch", params.need("VSwitchId"), *MISSING))


@action("Vpc", "DescribeVSwitches")
def describe_vswitches(cloud: Cloud, params: Params) -> Json:
    """vSwitches by VPC, zone, id, name, owner, resource group and tags."""
    wanted, fits, named = params.items("VSwitchId"), tagged(params), filtered(params, FILTERS)
    found = (
        _shown(cloud, vswitch)
        for vswitch in cloud.store.all("vswitch")
        if (not wanted or vswitch["VSwitchId"] in wanted) and named(vswitch) and fits(vswitch)
    )
    return page(found, params, "VSwitches", "VSwitch", most=50)


@action("Vpc", "ModifyVSwitchAttribute")
def modify_vswitch_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    vswitch = cloud.need("vswitch", params.need("VSwitchId"), *MISSING)
    unsupported(params, "EnableIPv6", "Ipv6CidrBlock")
    vpc_name(params, "VSwitchName")
    description(params)
    copy_given(vswitch, params, {"VSwitchName": "VSwitchName", "Description": "Description"})
    cloud.store.put("vswitch", vswitch["VSwitchId"], vswitch)
    return {}


@action("Vpc", "DeleteVSwitch")
def delete_vswitch(cloud: Cloud, params: Params) -> Json:
    """Takes a vSwitch away, a while later, in which nothing has an address any more; one of a VPC at a time."""
    vswitch = cloud.need("vswitch", params.need("VSwitchId"), *MISSING)
    key = vswitch["VSwitchId"]
    if vswitch["Status"] == "Pending":
        raise wrong_status("vSwitch", vswitch["Status"], "IncorrectVSwitchStatus")
    others = [other for other in cloud.store.all("vswitch") if other["VpcId"] == vswitch["VpcId"]]
    if any(other["Status"] == "Pending" for other in others):
        raise ApiError(400, "TaskConflict", "Another vSwitch of the VPC is being created or deleted.")
    for instance in cloud.store.all("instance"):
        if instance["VpcAttributes"]["VSwitchId"] == key:
            raise dependency(f"instance {instance['InstanceId']}")
    for card in cloud.store.all("network_interface"):
        if card["VSwitchId"] == key:
            raise dependency(f"network interface {card['NetworkInterfaceId']}")
    for target in cloud.store.all("mount_target"):
        if target["VswId"] == key:
            raise dependency(f"mount target {target['MountTargetDomain']}")
    dry_run(params)
    cloud.backend.close_network(key)
    cloud.begin("vswitch", key, vswitch, status="Pending", then=GONE)
    return {}


def taken(cloud: Cloud, key: str) -> set[str]:
    """Addresses of a vSwitch that something has."""
    machines = (
        instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
        for instance in cloud.store.all("instance")
        if instance["VpcAttributes"]["VSwitchId"] == key
    )
    return {*machines, *(target["_address"] for target in cloud.store.all("mount_target") if target["VswId"] == key)}


def take_address(cloud: Cloud, vswitch: Json, wish: str = "") -> str:
    """A free address, or the wished one.

    Raises:
        ApiError: the wish is taken, reserved or outside; or no address is left.
    """
    used = taken(cloud, vswitch["VSwitchId"])
    network = ipaddress.IPv4Network(vswitch["CidrBlock"])
    usable = range(int(network[GATEWAY]) + 1, int(network.broadcast_address) - RESERVED_LAST + 1)
    if wish:
        try:
            free = int(ipaddress.IPv4Address(wish)) in usable
        except ValueError:
            free = False
        if not free:
            raise ApiError(
                400, "InvalidPrivateIpAddress.Malformed", f"{wish} is not a usable address of {vswitch['CidrBlock']}."
            )
        if wish in used:
            raise ApiError(403, "InvalidPrivateIpAddress.Duplicated", f"The address {wish} is in use.")
        return wish
    for number in usable:
        address = str(ipaddress.IPv4Address(number))
        if address not in used:
            return address
    raise ApiError(403, "InvalidVSwitchId.IpNotEnough", f"The vSwitch {vswitch['VSwitchId']} has no address left.")


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ApiError(400, "InvalidCidrBlock.Malformed", f"The specified CIDR block is not valid: {text}.") from None
    if not 16 <= network.prefixlen <= 29:
        raise ApiError(400, "InvalidCidrBlock", f"The mask of a vSwitch is 16 to 29 bits long: {text}.")
    return network


def _shown(cloud: Cloud, vswitch: Json) -> Json:
    size = ipaddress.IPv4Network(vswitch["CidrBlock"]).num_addresses
    table = {"RouteTableId": vswitch["_table"], "RouteTableType": "System"}
    left = size - GATEWAY - 1 - RESERVED_LAST - len(taken(cloud, vswitch["VSwitchId"]))
    return {
        **public(vswitch), "Tags": vpc_tags(vswitch["_tags"]), "RouteTable": table, "AvailableIpAddressCount": left,
    }  # fmt: skip
