"""vSwitches, and the addresses inside them."""

import ipaddress

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import ZONES
from localcloud.cloud.checks import description, dry_run, new_tags, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.model import Instance, MountTarget, NetworkInterface, Vpc, VSwitch
from localcloud.cloud.paging import copy_given, filtered, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError, dependency, not_found, wrong_status

MISSING = ("InvalidVSwitchId.NotFound", "vSwitch")
RESERVED_LAST = 3  # Alibaba's documentation: the first and the last three addresses are the system's
GATEWAY = 1  # ours: the host's end of the machines' bridge
FILTERS = {
    "VpcId": "VpcId",
    "ZoneId": "ZoneId",
    "VSwitchName": "VSwitchName",
    "IsDefault": "IsDefault",
    "ResourceGroupId": "ResourceGroupId",
    "VSwitchOwnerId": "OwnerId",
    "EnableIpv6": "EnabledIpv6",
}


@action("Vpc", "CreateVSwitch")
def create_vswitch(cloud: Cloud, params: Params) -> Json:
    """Makes a vSwitch in a zone, with a network of its own."""
    zone, cidr, vpc_id = params.need("ZoneId"), params.need("CidrBlock"), params.need("VpcId")
    vpc = cloud.store.get(Vpc, vpc_id)
    if vpc is None:
        raise not_found("InvalidVpcId.NotFound", "VPC")
    if vpc.status != "Available":
        raise wrong_status("VPC", vpc.status, "IncorrectVpcStatus")
    if zone not in ZONES.get(cloud.settings.region, []):
        raise ApiError(404, "InvalidZoneId.NotFound", f"The specified zone {zone} does not exist.")
    unsupported(params, "Ipv6CidrBlock", "VpcIpv6CidrBlock")
    name, tags, words = vpc_name(params, "VSwitchName"), new_tags(params), description(params)
    network = _network(cidr)
    if not network.subnet_of(ipaddress.IPv4Network(vpc.cidr_block)):
        raise ApiError(
            400, "InvalidCidrBlock", f"The CIDR block {cidr} is not within that of the VPC, {vpc.cidr_block}."
        )
    for other in cloud.store.all(VSwitch):
        if other.vpc_id == vpc_id and network.overlaps(ipaddress.IPv4Network(other.cidr_block)):
            raise ApiError(
                400,
                "InvalidCidrBlock.Overlapped",
                f"The CIDR block {cidr} overlaps that of vSwitch {other.vswitch_id}, {other.cidr_block}.",
            )
    key = cloud.new_id("vsw")
    vswitch = VSwitch(
        vswitch_id=key,
        vpc_id=vpc_id,
        zone_id=zone,
        cidr_block=str(network),
        vswitch_name=name,
        description=words,
        creation_time=stamp(),
        resource_group_id=vpc.resource_group_id,
        owner_id=int(cloud.settings.account),
        route_table=vpc.route_table,
        tags=tags,
    )
    try:
        cloud.backend.open_network(key, vpc_id, str(network))
    except LocalCloudError as error:  # a range that this computer itself uses, where the real cloud has no such limit
        raise ApiError(400, "InvalidCidrBlock.Conflict", str(error)) from None
    cloud.begin(vswitch, status="Pending", then="Available")
    return {"VSwitchId": key}


@action("Vpc", "DescribeVSwitchAttributes")
def describe_vswitch_attributes(cloud: Cloud, params: Params) -> Json:
    """One vSwitch."""
    return _shown(cloud, cloud.need(VSwitch, params.need("VSwitchId"), *MISSING))


@action("Vpc", "DescribeVSwitches")
def describe_vswitches(cloud: Cloud, params: Params) -> Json:
    """vSwitches by VPC, zone, id, name, owner, resource group and tags."""
    wanted, fits, named = params.items("VSwitchId"), tagged(params), filtered(params, FILTERS)
    found = (
        _shown(cloud, vswitch)
        for vswitch in cloud.store.all(VSwitch)
        if (not wanted or vswitch.vswitch_id in wanted) and named(vswitch) and fits(vswitch)
    )
    return page(found, params, "VSwitches", "VSwitch", most=50)


@action("Vpc", "ModifyVSwitchAttribute")
def modify_vswitch_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    vswitch = cloud.need(VSwitch, params.need("VSwitchId"), *MISSING)
    unsupported(params, "EnableIPv6", "Ipv6CidrBlock")
    vpc_name(params, "VSwitchName")
    description(params)
    copy_given(vswitch, params, "VSwitchName", "Description")
    cloud.store.put(vswitch)
    return {}


@action("Vpc", "DeleteVSwitch")
def delete_vswitch(cloud: Cloud, params: Params) -> Json:
    """Takes a vSwitch away, a while later, in which nothing has an address any more; one of a VPC at a time."""
    vswitch = cloud.need(VSwitch, params.need("VSwitchId"), *MISSING)
    key = vswitch.vswitch_id
    if vswitch.status == "Pending":
        raise wrong_status("vSwitch", vswitch.status, "IncorrectVSwitchStatus")
    others = [other for other in cloud.store.all(VSwitch) if other.vpc_id == vswitch.vpc_id]
    if any(other.status == "Pending" for other in others):
        raise ApiError(400, "TaskConflict", "Another vSwitch of the VPC is being created or deleted.")
    for instance in cloud.store.all(Instance):
        if instance.vswitch_id == key:
            raise dependency(f"instance {instance.instance_id}")
    for card in cloud.store.all(NetworkInterface):
        if card.vswitch_id == key:
            raise dependency(f"network interface {card.network_interface_id}")
    for target in cloud.store.all(MountTarget):
        if target.vsw_id == key:
            raise dependency(f"mount target {target.mount_target_domain}")
    dry_run(params)
    cloud.backend.close_network(key)
    cloud.begin(vswitch, status="Pending", then=GONE)
    return {}


def used_addresses(cloud: Cloud, key: str) -> set[str]:
    """Addresses of a vSwitch that something has."""
    machines = (instance.address for instance in cloud.store.all(Instance) if instance.vswitch_id == key)
    return {*machines, *(target.address for target in cloud.store.all(MountTarget) if target.vsw_id == key)}


def free_address(cloud: Cloud, vswitch: VSwitch, wanted: str = "") -> str:
    """A free address, or the wanted one.

    Raises:
        ApiError: the wanted one is taken, reserved or outside; or no address is left.
    """
    used = used_addresses(cloud, vswitch.vswitch_id)
    network = ipaddress.IPv4Network(vswitch.cidr_block)
    usable = range(int(network[GATEWAY]) + 1, int(network.broadcast_address) - RESERVED_LAST + 1)
    if wanted:
        try:
            free = int(ipaddress.IPv4Address(wanted)) in usable
        except ValueError:
            free = False
        if not free:
            raise ApiError(
                400, "InvalidPrivateIpAddress.Malformed", f"{wanted} is not a usable address of {vswitch.cidr_block}."
            )
        if wanted in used:
            raise ApiError(403, "InvalidPrivateIpAddress.Duplicated", f"The address {wanted} is in use.")
        return wanted
    for number in usable:
        address = str(ipaddress.IPv4Address(number))
        if address not in used:
            return address
    raise ApiError(403, "InvalidVSwitchId.IpNotEnough", f"The vSwitch {vswitch.vswitch_id} has no address left.")


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ApiError(400, "InvalidCidrBlock.Malformed", f"The specified CIDR block is not valid: {text}.") from None
    if not 16 <= network.prefixlen <= 29:
        raise ApiError(400, "InvalidCidrBlock", f"The mask of a vSwitch is 16 to 29 bits long: {text}.")
    return network


def _shown(cloud: Cloud, vswitch: VSwitch) -> Json:
    size = ipaddress.IPv4Network(vswitch.cidr_block).num_addresses
    left = size - GATEWAY - 1 - RESERVED_LAST - len(used_addresses(cloud, vswitch.vswitch_id))
    return {**vswitch.wire(), "AvailableIpAddressCount": left}
