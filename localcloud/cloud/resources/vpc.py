"""VPCs."""

import ipaddress

from localcloud.cloud.actions import action
from localcloud.cloud.checks import description, dry_run, new_tags, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.model import RouteTable, SecurityGroup, Vpc, VSwitch
from localcloud.cloud.paging import copy_given, filtered, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.resources.route_table import create_system_table
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, dependency, wrong_status

MISSING = ("InvalidVpcID.NotFound", "VPC")
QUOTA = 10  # Alibaba's default quota of VPCs a region
PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
FILTERS = {
    "VpcName": "VpcName",
    "IsDefault": "IsDefault",
    "ResourceGroupId": "ResourceGroupId",
    "VpcOwnerId": "OwnerId",
    "EnableIpv6": "EnabledIpv6",
}
DNS = {True: "ENABLED", False: "DISABLED"}


@action("Vpc", "CreateVpc")
def create_vpc(cloud: Cloud, params: Params) -> Json:
    """Makes a VPC with its router and system route table."""
    cidr = _cidr(params.text("CidrBlock", "172.16.0.0/12"))
    unsupported(params, "EnableIpv6", "Ipv6CidrBlock", "Ipv4IpamPoolId")
    name, tags, words = vpc_name(params, "VpcName"), new_tags(params), description(params)
    if len(cloud.store.all(Vpc)) >= QUOTA:
        raise ApiError(400, "QuotaExceeded.Vpc", "VPC quota exceeded.")
    dry_run(params)
    key, router = cloud.new_id("vpc"), cloud.new_id("vrt")
    vpc = Vpc(
        vpc_id=key,
        region_id=cloud.settings.region,
        cidr_block=cidr,
        vpc_name=name,
        description=words,
        creation_time=stamp(),
        vrouter_id=router,
        owner_id=int(cloud.settings.account),
        resource_group_id=params.text("ResourceGroupId", f"rg-{cloud.settings.account}"),
        dns_hostname_status=DNS[params.flag("EnableDnsHostname")],
        user_cidrs=params.items("UserCidr"),
        route_table=create_system_table(cloud, key, router),
        tags=tags,
    )
    cloud.begin(vpc, status="Pending", then="Available")
    return {
        "VpcId": key,
        "VRouterId": router,
        "RouteTableId": vpc.route_table,
        "ResourceGroupId": vpc.resource_group_id,
    }


@action("Vpc", "DescribeVpcAttribute")
def describe_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """One VPC."""
    return _shown(cloud, cloud.need(Vpc, params.need("VpcId"), *MISSING), attribute=True)


@action("Vpc", "DescribeVpcs")
def describe_vpcs(cloud: Cloud, params: Params) -> Json:
    """VPCs by id, name, owner, resource group and tags."""
    wanted, named, fits = params.items("VpcId"), filtered(params, FILTERS), tagged(params)
    found = (
        _shown(cloud, vpc)
        for vpc in cloud.store.all(Vpc)
        if (not wanted or vpc.vpc_id in wanted) and named(vpc) and fits(vpc)
    )
    return page(found, params, "Vpcs", "Vpc", most=50)


@action("Vpc", "ModifyVpcAttribute")
def modify_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name, description, or the address block, which must still hold every vSwitch."""
    vpc = cloud.need(Vpc, params.need("VpcId"), *MISSING)
    if "CidrBlock" in params:
        cidr = _cidr(params.text("CidrBlock"))
        for vswitch in _vswitches(cloud, vpc.vpc_id):
            if not _inside(vswitch.cidr_block, cidr):
                raise dependency(f"vSwitch {vswitch.vswitch_id} lies in {vswitch.cidr_block}")
        vpc.cidr_block = cidr
    unsupported(params, "EnableIPv6", "Ipv6CidrBlock")
    if "EnableDnsHostname" in params:
        vpc.dns_hostname_status = DNS[params.flag("EnableDnsHostname")]
    vpc_name(params, "VpcName")
    description(params)
    copy_given(vpc, params, "VpcName", "Description")
    cloud.store.put(vpc)
    return {}


@action("Vpc", "DeleteVpc")
def delete_vpc(cloud: Cloud, params: Params) -> Json:
    """Takes an empty VPC away, a while later: vSwitches first, then security groups: so the cloud refuses."""
    vpc = cloud.need(Vpc, params.need("VpcId"), *MISSING)
    key = vpc.vpc_id
    if vpc.status == "Pending":
        raise wrong_status("VPC", vpc.status, "IncorrectVpcStatus")
    if vswitches := _vswitches(cloud, key):
        raise dependency(f"vSwitch {vswitches[0].vswitch_id}", "DependencyViolation.VSwitch")
    groups = [group.security_group_id for group in cloud.store.all(SecurityGroup) if group.vpc_id == key]
    if groups:
        raise dependency(f"security group {groups[0]}", "DependencyViolation.SecurityGroup")
    dry_run(params)
    cloud.store.delete(RouteTable, vpc.route_table)
    cloud.begin(vpc, status="Pending", then=GONE)
    return {}


def _shown(cloud: Cloud, vpc: Vpc, *, attribute: bool = False) -> Json:
    shown = vpc.wire()
    vswitches = [vswitch.vswitch_id for vswitch in _vswitches(cloud, vpc.vpc_id)]
    shown["VSwitchIds"] = {"VSwitchId": vswitches}
    shown["Tags"] = vpc.wire_tags()
    if attribute:
        shown["CloudResources"] = {
            "CloudResourceSetType": [{"ResourceType": "VSwitch", "ResourceCount": len(vswitches)}]
        }
    else:
        del shown["ClassicLinkEnabled"]  # only the attributes have it
        shown["RouterTableIds"] = {"RouterTableIds": [vpc.route_table]}
    return shown


def _vswitches(cloud: Cloud, vpc: str) -> list[VSwitch]:
    return [vswitch for vswitch in cloud.store.all(VSwitch) if vswitch.vpc_id == vpc]


def _cidr(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ApiError(400, "InvalidCidrBlock.Malformed", f"The specified CIDR block is not valid: {text}.") from None
    if not 8 <= network.prefixlen <= 28 or not any(network.subnet_of(private) for private in PRIVATE):
        raise ApiError(400, "InvalidCidrBlock", f"Specified CIDR block is not valid for a VPC: {text}.")
    return str(network)


def _inside(inner: str, outer: str) -> bool:
    return ipaddress.IPv4Network(inner).subnet_of(ipaddress.IPv4Network(outer))
