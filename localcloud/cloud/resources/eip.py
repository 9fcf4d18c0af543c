"""Elastic public addresses."""

from localcloud.cloud.actions import action
from localcloud.cloud.checks import description, dry_run, new_tags, one_of, unsupported, vpc_name
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.model import Eip, Instance
from localcloud.cloud.model.instance import BoundEip
from localcloud.cloud.paging import copy_given, filtered, locked, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.public_addresses import free_public_address
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

MISSING = ("InvalidAllocationId.NotFound", "elastic IP address")
QUOTA = 20  # Alibaba's default quota an account and region
MOST_MBITS = {"PayByTraffic": 200, "PayByBandwidth": 500}  # Alibaba's documentation of AllocateEipAddress
FILTERS = {
    "EipAddress": "IpAddress",
    "Status": "Status",
    "EipName": "Name",
    "AssociatedInstanceId": "InstanceId",
    "AssociatedInstanceType": "InstanceType",
    "ChargeType": "ChargeType",
    "ISP": "ISP",
    "ResourceGroupId": "ResourceGroupId",
    "PublicIpAddressPoolId": "PublicIpAddressPoolId",
}


@action("Vpc", "AllocateEipAddress")
def allocate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Rents a public address."""
    if len(cloud.store.all(Eip)) >= QUOTA:
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
    key, address = cloud.new_id("eip"), free_public_address(cloud)
    eip = Eip(
        allocation_id=key,
        ip_address=address,
        internet_charge_type=charge,
        mbits=bandwidth,
        charge_type=params.text("InstanceChargeType", "PostPaid"),
        isp=params.text("ISP", "BGP"),
        name=name,
        description=words,
        netmode=params.text("Netmode", "public"),
        allocation_time=stamp(),
        region_id=cloud.settings.region,
        zone=params.text("Zone"),
        tags=tags,
        resource_group_id=params.text("ResourceGroupId", f"rg-{cloud.settings.account}"),
    )
    cloud.begin(eip, status="Available", then="Available")
    return {"AllocationId": key, "EipAddress": address, "ResourceGroupId": eip.resource_group_id}


@action("Vpc", "DescribeEipAddresses")
def describe_eip_addresses(cloud: Cloud, params: Params) -> Json:
    """Public addresses by id, address, status, what they lead to, and tags."""
    fits, wanted = tagged(params), params.text("AllocationId")
    named, held = filtered(params, FILTERS), locked(params)
    found = (
        eip.wire()
        for eip in cloud.store.all(Eip)
        if (not wanted or eip.allocation_id in wanted.split(",")) and named(eip) and held(()) and fits(eip)
    )
    return page(found, params, "EipAddresses", "EipAddress")


@action("Vpc", "ModifyEipAddressAttribute")
def modify_eip_address_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes bandwidth, name and description."""
    eip = cloud.need(Eip, params.need("AllocationId"), *MISSING)
    vpc_name(params, "Name")
    description(params)
    copy_given(eip, params, "Name", "Description")
    if "Bandwidth" in params:
        most = MOST_MBITS[eip.internet_charge_type]
        eip.mbits = params.number("Bandwidth", 5, 1, most)
    cloud.store.put(eip)
    return {}


@action("Vpc", "AssociateEipAddress")
def associate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Lets a public address lead to a machine."""
    eip = cloud.need(Eip, params.need("AllocationId"), *MISSING)
    if params.text("InstanceType", "EcsInstance") != "EcsInstance":
        raise invalid("InstanceType", "only EcsInstance is supported here")
    key = params.need("InstanceId")
    instance = cloud.need(Instance, key, "InvalidInstanceId.NotFound", "instance")
    if eip.instance_id == key:
        return {}
    if eip.status != "Available" or eip.instance_id:
        raise ApiError(400, "IncorrectEipStatus", f"The EIP is in use by {eip.instance_id}.")
    if instance.status not in ("Running", "Stopped"):
        raise ApiError(400, "IncorrectInstanceStatus", f"The instance is {instance.status}.")
    if instance.outside_address:
        raise ApiError(
            400,
            "InvalidInstanceId.AlreadyAssigned",
            f"The instance has a public address already: {instance.outside_address}.",
        )
    eip.lead_to(key, cloud.settings.region)
    eip.mode = params.text("Mode", "NAT")
    instance.eip = BoundEip(
        allocation_id=eip.allocation_id,
        ip_address=eip.ip_address,
        bandwidth=eip.mbits,
        internet_charge_type=eip.internet_charge_type,
    )
    cloud.store.put(instance)
    cloud.begin(eip, status="Associating", then="InUse")
    if instance.status == "Running":
        cloud.backend.set_public(key, eip.ip_address)
    return {}


@action("Vpc", "UnassociateEipAddress")
def unassociate_eip_address(cloud: Cloud, params: Params) -> Json:
    """Lets a public address lead nowhere."""
    eip = cloud.need(Eip, params.need("AllocationId"), *MISSING)
    key = eip.instance_id
    if not key:
        raise ApiError(400, "IncorrectEipStatus", "The EIP is not associated.")
    if params.text("InstanceId", key) != key:
        raise ApiError(400, "InvalidBindingStatus", f"The EIP is associated with {key}.")
    instance = cloud.store.get(Instance, key)
    if instance:
        instance.eip = BoundEip()
        cloud.store.put(instance)
        cloud.backend.set_public(key, instance.outside_address)
    eip.lead_to("")
    cloud.begin(eip, status="Unassociating", then="Available")
    return {}


@action("Vpc", "ModifyEipForwardMode")
def modify_eip_forward_mode(cloud: Cloud, params: Params) -> Json:
    """Changes the mode; here an address is always translated."""
    eip = cloud.need(Eip, params.need("InstanceId"), *MISSING)
    eip.mode = params.need("Mode")
    cloud.store.put(eip)
    return {}


@action("Vpc", "DeletionProtection")
def deletion_protection(cloud: Cloud, params: Params) -> Json:
    """Protects a public address from release."""
    eip = cloud.need(Eip, params.need("InstanceId"), *MISSING)
    eip.deletion_protection = params.flag("ProtectionEnable")
    cloud.store.put(eip)
    return {}


@action("Vpc", "ReleaseEipAddress")
def release_eip_address(cloud: Cloud, params: Params) -> Json:
    """Gives a public address back that leads nowhere."""
    eip = cloud.need(Eip, params.need("AllocationId"), *MISSING)
    if eip.deletion_protection:
        raise ApiError(400, "OperationDenied.DeletionProtection", "Deletion protection of the EIP is on.")
    if eip.status != "Available" or eip.instance_id:
        raise ApiError(400, "IncorrectEipStatus", f"The EIP is {eip.status}: unassociate it first.")
    cloud.begin(eip, status="Releasing", then=GONE)
    return {}


@action("Vpc", "DescribeHighDefinitionMonitorLogAttribute")
def describe_high_definition_monitor_log_attribute(cloud: Cloud, params: Params) -> Json:
    """The fine log of a public address: none here."""
    cloud.need(Eip, params.need("InstanceId"), *MISSING)
    return {
        "InstanceId": params.text("InstanceId"),
        "InstanceType": "EIP",
        "LogProject": "",
        "LogStore": "",
        "Success": "true",
    }
