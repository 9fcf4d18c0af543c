"""Elastic public addresses."""

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, filtered, locked, page, public, tagged, vpc_tags
from localcloud.cloud.checks import description, dry_run, new_tags, one_of, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.machines import public_address
from localcloud.cloud.params import Params
from localcloud.cloud.public_addresses import take_public
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

MISSING = ("InvalidAllocationId.NotFound", "elastic IP address")
QUOTA = 20  # Alibaba's default quota an account and region
MOST_MBITS = {"PayByTraffic": 200, "PayByBandwidth": 500}  # Alibaba's documentation of AllocateEipAddress
FILTERS = {
    "EipAddress": "IpAddress", "Status": "Status", "EipName": "Name", "AssociatedInstanceId": "InstanceId",
    "AssociatedInstanceType": "InstanceType", "ChargeType": "ChargeType", "ISP": "ISP",
    "ResourceGroupId": "ResourceGroupId", "PublicIpAddressPoolId": "PublicIpAddressPoolId",
}  # fmt: skip


@action("Vpc", "AllocateEipAddress")
def allocate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Rents a public address."""
    if len(cloud.store.all("eip")) >= QUOTA:
        raise ApiError(400, "QuotaExceeded.Eip", "EIP quota exceeded.")
    charge = one_of(params, "InternetChargeType", "PayByBandwidth", "PayByTraffic")
    bandwidth = params.number("Bandwidth", 5, 1, MOST_MBITS[charge])
    if params.text("InstanceChargeType", "PostPaid") != "PostPaid":
        raise ApiError(
            400, "UnsupportedParameter.LocalCloud", "The local cloud does not implement PrePaid: use PostPaid."
        )
    unsupported(params, "PublicIpAddressPoolId", "SecurityProtectionTypes", "IpAddress", "InstanceId")
    name, words, tags = vpc_name(params, "Name"), description(params), new_tags(params)
    dry_run(params)
    key, address = cloud.new_id("eip"), take_public(cloud)
    document: Json = {
        "AllocationId": key, "IpAddress": address, "Bandwidth": str(bandwidth), "EipBandwidth": str(bandwidth),
        "InternetChargeType": charge, "Mode": "NAT",
        "ChargeType": params.text("InstanceChargeType", "PostPaid"), "ISP": params.text("ISP", "BGP"),
        "Name": name, "Description": words,
        "Netmode": params.text("Netmode", "public"),
        "AllocationTime": stamp(), "ExpiredTime": "", "RegionId": cloud.settings.region, "BusinessStatus": "Normal",
        "ResourceGroupId": params.text("ResourceGroupId", f"rg-{cloud.settings.account}"), "DeletionProtection": False,
        "HDMonitorStatus": "OFF", "InstanceId": "", "InstanceType": "", "InstanceRegionId": "", "VpcId": "",
        "PrivateIpAddress": "", "Zone": params.text("Zone"), "SegmentInstanceId": "", "SecondLimited": False,
        "OperationLocks": {"LockReason": []}, "ServiceManaged": 0, "_tags": tags,
        "SecurityProtectionTypes": {"SecurityProtectionType": params.items("SecurityProtectionTypes")},
    }  # fmt: skip
    cloud.begin("eip", key, document, status="Available", then="Available")
    return {"AllocationId": key, "EipAddress": address, "ResourceGroupId": document["ResourceGroupId"]}


@action("Vpc", "DescribeEipAddresses")
def describe_eip_addresses(cloud: Cloud, params: Params) -> Json:
    """Public addresses by id, address, status, what they lead to, and tags."""
    fits, wanted = tagged(params), params.text("AllocationId")
    named, held = filtered(params, FILTERS), locked(params)
    found = (
        {**public(eip), "Tags": vpc_tags(eip["_tags"])}
        for eip in cloud.store.all("eip")
        if (not wanted or eip["AllocationId"] in wanted.split(",")) and named(eip) and held(eip) and fits(eip)
    )
    return page(found, params, "EipAddresses", "EipAddress")


@action("Vpc", "ModifyEipAddressAttribute")
def modify_eip_address_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes bandwidth, name and description."""
    eip = cloud.need("eip", params.need("AllocationId"), *MISSING)
    vpc_name(params, "Name")
    description(params)
    copy_given(eip, params, {"Name": "Name", "Description": "Description"})
    if "Bandwidth" in params:
        most = MOST_MBITS[eip["InternetChargeType"]]
        eip["Bandwidth"] = eip["EipBandwidth"] = str(params.number("Bandwidth", 5, 1, most))
    cloud.store.put("eip", eip["AllocationId"], eip)
    return {}


@action("Vpc", "AssociateEipAddress")
def associate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Lets a public address lead to a machine."""
    eip = cloud.need("eip", params.need("AllocationId"), *MISSING)
    if params.text("InstanceType", "EcsInstance") != "EcsInstance":
        raise invalid("InstanceType", "only EcsInstance is supported here")
    key = params.need("InstanceId")
    instance = cloud.need("instance", key, "InvalidInstanceId.NotFound", "instance")
    if eip["InstanceId"] == key:
        return {}
    if eip["Status"] != "Available" or eip["InstanceId"]:
        raise ApiError(400, "IncorrectEipStatus", f"The EIP is in use by {eip['InstanceId']}.")
    if instance["Status"] not in ("Running", "Stopped"):
        raise ApiError(400, "IncorrectInstanceStatus", f"The instance is {instance['Status']}.")
    if public_address(instance):
        raise ApiError(
            400, "InvalidInstanceId.AlreadyAssigned",
            f"The instance has a public address already: {public_address(instance)}.",
        )  # fmt: skip
    # VpcId and PrivateIpAddress are answered for addresses of an IPv4 gateway or of a second interface only: the
    # provider's tests of an association with an instance would replace it for ever otherwise.
    eip.update(
        InstanceId=key, InstanceType="EcsInstance", InstanceRegionId=cloud.settings.region,
        Mode=params.text("Mode", "NAT"),
    )  # fmt: skip
    instance["EipAddress"] = {
        "AllocationId": eip["AllocationId"], "IpAddress": eip["IpAddress"], "Bandwidth": int(eip["Bandwidth"]),
        "InternetChargeType": eip["InternetChargeType"], "IsSupportUnassociate": True,
    }  # fmt: skip
    cloud.store.put("instance", key, instance)
    cloud.begin("eip", eip["AllocationId"], eip, status="Associating", then="InUse")
    if instance["Status"] == "Running":
        cloud.backend.set_public(key, eip["IpAddress"])
    return {}


@action("Vpc", "UnassociateEipAddress")
def unassociate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Lets a public address lead nowhere."""
    eip = cloud.need("eip", params.need("AllocationId"), *MISSING)
    key = eip["InstanceId"]
    if not key:
        raise ApiError(400, "IncorrectEipStatus", "The EIP is not associated.")
    if params.text("InstanceId", key) != key:
        raise ApiError(400, "InvalidBindingStatus", f"The EIP is associated with {key}.")
    instance = cloud.store.get("instance", key)
    if instance:
        instance["EipAddress"] = {
            "AllocationId": "", "IpAddress": "", "InternetChargeType": "", "Bandwidth": 0, "IsSupportUnassociate": True,
        }  # fmt: skip
        cloud.store.put("instance", key, instance)
        cloud.backend.set_public(key, public_address(instance))
    eip.update(InstanceId="", InstanceType="", PrivateIpAddress="", VpcId="", InstanceRegionId="")
    cloud.begin("eip", eip["AllocationId"], eip, status="Unassociating", then="Available")
    return {}


@action("Vpc", "ModifyEipForwardMode")
def modify_eip_forward_mode(cloud: Cloud, params: Params) -> Json:
    """Changes the mode; here an address is always translated."""
    eip = cloud.need("eip", params.need("InstanceId"), *MISSING)
    eip["Mode"] = params.need("Mode")
    cloud.store.put("eip", eip["AllocationId"], eip)
    return {}


@action("Vpc", "DeletionProtection")
def deletion_protection(cloud: Cloud, params: Params) -> Json:
    """Protects a public address from release."""
    eip = cloud.need("eip", params.need("InstanceId"), *MISSING)
    eip["DeletionProtection"] = params.flag("ProtectionEnable")
    cloud.store.put("eip", eip["AllocationId"], eip)
    return {}


@action("Vpc", "ReleaseEipAddress")
def release_eip_address(cloud: Cloud, params: Params) -> Json:
    """Gives a public address back that leads nowhere."""
    eip = cloud.need("eip", params.need("AllocationId"), *MISSING)
    if eip["DeletionProtection"]:
        raise ApiError(400, "OperationDenied.DeletionProtection", "Deletion protection of the EIP is on.")
    if eip["Status"] != "Available" or eip["InstanceId"]:
        raise ApiError(400, "IncorrectEipStatus", f"The EIP is {eip['Status']}: unassociate it first.")
    cloud.begin("eip", eip["AllocationId"], eip, status="Releasing", then=GONE)
    return {}


@action("Vpc", "DescribeHighDefinitionMonitorLogAttribute")
def describe_high_definition_monitor_log_attribute(cloud: Cloud, params: Params) -> Json:
    """The fine log of a public address: none here."""
    cloud.need("eip", params.need("InstanceId"), *MISSING)
    return {
        "InstanceId": params.text("InstanceId"),
        "InstanceType": "EIP",
        "LogProject": "",
        "LogStore": "",
        "Success": "true",
    }
