"""VPCs."""

import ipaddress

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, filtered, page, public, tagged, vpc_tags
from localcloud.cloud.checks import description, dry_run, new_tags, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.resources.route_table import create_system_table
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, dependency, wrong_status

MISSING = ("InvalidVpcID.NotFound", "VPC")
QUOTA = 10  # Alibaba's default quota of VPCs a region
PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
NAMES = {"VpcName": "VpcName", "Description": "Description"}
FILTERS = {
    "VpcName": "VpcName", "IsDefault": "IsDefault", "ResourceGroupId": "ResourceGroupId", "VpcOwnerId": "OwnerId",
    "EnableIpv6": "EnabledIpv6",
}  # fmt: skip
DNS = {True: "ENABLED", False: "DISABLED"}


@action("Vpc", "CreateVpc")
def create_vpc(cloud: Cloud, params: Params) -> Json:
    """Makes a VPC with its router and system route table."""
    cidr = _cidr(params.text("CidrBlock", "172.16.0.0/12"))
    unsupported(params, "EnableIpv6", "Ipv6CidrBlock", "Ipv4IpamPoolId")
    name, tags, words = vpc_name(params, "VpcName"), new_tags(params), description(params)
    if len(cloud.store.all("vpc")) >= QUOTA:
        raise ApiError(400, "QuotaExceeded.Vpc", "VPC quota exceeded.")
    dry_run(params)
    key, router = cloud.new_id("vpc"), cloud.new_id("vrt")
    table = create_system_table(cloud, key, router)
    document: Json = {
        "VpcId": key, "RegionId": cloud.settings.region, "CidrBlock": cidr, "VpcName": name,
        "Description": words, "CreationTime": stamp(), "VRouterId": router, "IsDefault": False,
        "ResourceGroupId": params.text("ResourceGroupId", f"rg-{cloud.settings.account}"), "ClassicLinkEnabled": False,
        "EnabledIpv6": False, "Ipv6CidrBlock": "", "DnsHostnameStatus": DNS[params.flag("EnableDnsHostname")],
        "OwnerId": int(cloud.settings.account),
        "UserCidrs": {"UserCidr": params.items("UserCidr")}, "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
        "Ipv6CidrBlocks": {"Ipv6CidrBlock": []}, "_tags": tags, "_table": table,
    }  # fmt: skip
    cloud.begin("vpc", key, document, status="Pending", then="Available")
    return {"VpcId": key, "VRouterId": router, "RouteTableId": table, "ResourceGroupId": document["ResourceGroupId"]}


@action("Vpc", "DescribeVpcAttribute")
def describe_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """One VPC."""
    return _shown(cloud, cloud.need("vpc", params.need("VpcId"), *MISSING), attribute=True)


@action("Vpc", "DescribeVpcs")
def describe_vpcs(cloud: Cloud, params: Params) -> Json:
    """VPCs by id, name, owner, resource group and tags."""
    wanted, named, fits = params.items("VpcId"), filtered(params, FILTERS), tagged(params)
    found = (
        _shown(cloud, vpc)
        for vpc in cloud.store.all("vpc")
        if (not wanted or vpc["VpcId"] in wanted) and named(vpc) and fits(vpc)
    )
    return page(found, params, "Vpcs", "Vpc", most=50)


@action("Vpc", "ModifyVpcAttribute")
def modify_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name, description, or the address block, which must still hold every vSwitch."""
    vpc = cloud.need("vpc", params.need("VpcId"), *MISSING)
    if "CidrBlock" in params:
        cidr = _cidr(params.text("CidrBlock"))
        for vswitch in _vswitches(cloud, vpc["VpcId"]):
            if not _inside(vswitch["CidrBlock"], cidr):
                raise dependency(f"vSwitch {vswitch['VSwitchId']} lies in {vswitch['CidrBlock']}")
        vpc["CidrBlock"] = cidr
    unsupported(params, "EnableIPv6", "Ipv6CidrBlock")
    if "EnableDnsHostname" in params:
        vpc["DnsHostnameStatus"] = DNS[params.flag("EnableDnsHostname")]
    vpc_name(params, "VpcName")
    description(params)
    copy_given(vpc, params, NAMES)
    cloud.store.put("vpc", vpc["VpcId"], vpc)
    return {}


@action("Vpc", "DeleteVpc")
def delete_vpc(cloud: Cloud, params: Params) -> Json:
    """Takes an empty VPC away, a while later: vSwitches first, then security groups: so the cloud refuses."""
    vpc = cloud.need("vpc", params.need("VpcId"), *MISSING)
    key = vpc["VpcId"]
    if vpc["Status"] == "Pending":
        raise wrong_status("VPC", vpc["Status"], "IncorrectVpcStatus")
    if vswitches := _vswitches(cloud, key):
        raise dependency(f"vSwitch {vswitches[0]['VSwitchId']}", "DependencyViolation.VSwitch")
    groups = [group["SecurityGroupId"] for group in cloud.store.all("security_group") if group["VpcId"] == key]
    if groups:
        raise dependency(f"security group {groups[0]}", "DependencyViolation.SecurityGroup")
    dry_run(params)
    cloud.store.delete("route_table", vpc["_table"])
    cloud.begin("vpc", key, vpc, status="Pending", then=GONE)
    return {}


def _shown(cloud: Cloud, vpc: Json, *, attribute: bool = False) -> Json:
    shown = public(vpc)
    vswitches = [vswitch["VSwitchId"] for vswitch in _vswitches(cloud, vpc["VpcId"])]
    shown["VSwitchIds"] = {"VSwitchId": vswitches}
    shown["Tags"] = vpc_tags(vpc["_tags"])
    if attribute:
        shown["CloudResources"] = {
            "CloudResourceSetType": [{"ResourceType": "VSwitch", "ResourceCount": len(vswitches)}]
        }
    else:
        del shown["ClassicLinkEnabled"]  # only the attributes have it
        shown["RouterTableIds"] = {"RouterTableIds": [vpc["_table"]]}
    return shown


def _vswitches(cloud: Cloud, vpc: str) -> list[Json]:
    return [vswitch for vswitch in cloud.store.all("vswitch") if vswitch["VpcId"] == vpc]


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
