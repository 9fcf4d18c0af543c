"""What one may know about machines."""

from collections.abc import Iterable

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import Instance, NetworkInterface
from localcloud.cloud.model.instance import MAINTENANCE
from localcloud.cloud.paging import filtered, locked, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

MISSING = ("InvalidInstanceId.NotFound", "instance")
FILTERS = {
    field: field
    for field in (
        "InstanceName",
        "ZoneId",
        "InstanceType",
        "InstanceTypeFamily",
        "InstanceChargeType",
        "Status",
        "KeyPairName",
        "ImageId",
        "ResourceGroupId",
        "InternetChargeType",
        "InstanceNetworkType",
        "HpcClusterId",
        "DeviceAvailable",
        "IoOptimized",
    )
}


@action("Ecs", "DescribeInstances")
def describe_instances(cloud: Cloud, params: Params) -> Json:
    """Machines by id, VPC, vSwitch, group, address, tags and the plain fields."""
    found = ({**instance.wire(), "NetworkInterfaces": _cards(cloud, instance)} for instance in _chosen(cloud, params))
    answer = page(found, params, "Instances", "Instance")
    answer.setdefault("NextToken", "")
    return answer


@action("Ecs", "DescribeInstanceStatus")
def describe_instance_status(cloud: Cloud, params: Params) -> Json:
    """Status of each machine."""
    wanted = params.items("InstanceId")
    found = (
        {"InstanceId": instance.instance_id, "Status": instance.status}
        for instance in cloud.store.all(Instance)
        if not wanted or instance.instance_id in wanted
    )
    return page(found, params, "InstanceStatuses", "InstanceStatus", most=50)


@action("Ecs", "DescribeInstanceAttribute")
def describe_instance_attribute(cloud: Cloud, params: Params) -> Json:
    """One machine."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    fields = (
        "InstanceId",
        "InstanceName",
        "HostName",
        "Description",
        "RegionId",
        "ZoneId",
        "ClusterId",
        "ImageId",
        "InstanceType",
        "InstanceNetworkType",
        "InstanceChargeType",
        "Status",
        "StoppedMode",
        "SerialNumber",
        "VlanId",
        "CreationTime",
        "ExpiredTime",
        "InternetChargeType",
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthOut",
        "SecurityGroupIds",
        "VpcAttributes",
        "PublicIpAddress",
        "InnerIpAddress",
        "EipAddress",
        "OperationLocks",
        "CreditSpecification",
        "Cpu",
        "Memory",
    )
    wire = instance.wire()
    shown = {field: wire[field] for field in fields}
    del shown["EipAddress"]["IsSupportUnassociate"]
    return {**shown, "IoOptimized": "optimized", "EnableJumboFrame": False}


@action("Ecs", "DescribeUserData")
def describe_user_data(cloud: Cloud, params: Params) -> Json:
    """A machine's user data, in Base64."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    return {
        "RegionId": cloud.settings.region,
        "InstanceId": instance.instance_id,
        "UserData": instance.user_data,
    }


@action("Ecs", "DescribeInstanceRamRole")
def describe_instance_ram_role(cloud: Cloud, params: Params) -> Json:
    """Roles of machines: none has one here."""
    return {
        "RegionId": cloud.settings.region,
        "TotalCount": 0,
        "InstanceRamRoleSets": {"InstanceRamRoleSet": []},
    }


@action("Ecs", "DescribeInstanceMaintenanceAttributes")
def describe_instance_maintenance_attributes(cloud: Cloud, params: Params) -> Json:
    """What the cloud may do to a machine when its host needs care."""
    wanted = params.items("InstanceId")
    found = (
        {
            "InstanceId": instance.instance_id,
            "MaintenanceWindows": {
                "MaintenanceWindow": instance.maintenance_windows,
            },
            "NotifyOnMaintenance": instance.maintenance_notice,
            "ActionOnMaintenance": {
                "Value": instance.maintenance_action,
                "DefaultValue": MAINTENANCE[0],
                "SupportedValues": {"SupportedValue": list(MAINTENANCE)},
            },
        }
        for instance in cloud.store.all(Instance)
        if not wanted or instance.instance_id in wanted
    )
    return page(found, params, "MaintenanceAttributes", "MaintenanceAttribute")


@action("Ecs", "DescribeInstanceAttachmentAttributes")
def describe_instance_attachment_attributes(cloud: Cloud, params: Params) -> Json:
    """Private pools of machines: none here."""
    found = (
        {
            "InstanceId": instance.instance_id,
            "PrivatePoolOptionsId": "",
            "PrivatePoolOptionsMatchCriteria": "None",
        }
        for instance in _chosen(cloud, params)
    )
    return page(found, params, "Instances", "Instance")


@action("Ecs", "DescribeInstanceAutoRenewAttribute")
def describe_instance_auto_renew_attribute(cloud: Cloud, params: Params) -> Json:
    """Renewal of machines that are paid in advance: none renews itself here."""
    wanted = params.items("InstanceId")
    found = (
        {
            "InstanceId": instance.instance_id,
            "AutoRenewEnabled": False,
            "Duration": 0,
            "PeriodUnit": "Month",
            "RenewalStatus": "Normal",
        }
        for instance in cloud.store.all(Instance)
        if not wanted or instance.instance_id in wanted
    )
    return page(found, params, "InstanceRenewAttributes", "InstanceRenewAttribute")


def _chosen(cloud: Cloud, params: Params) -> Iterable[Instance]:
    wanted = params.json_items("InstanceIds")
    named, held = filtered(params, FILTERS, starred=("InstanceName",)), locked(params)
    group, fits = params.text("SecurityGroupId"), tagged(params)
    vpc, vswitch = params.text("VpcId"), params.text("VSwitchId")
    addresses = params.json_items("PrivateIpAddresses")
    outside = params.json_items("PublicIpAddresses")
    elastic = params.json_items("EipAddresses")
    documents = (
        [found for key in wanted if (found := cloud.store.get(Instance, key))] if wanted else cloud.store.all(Instance)
    )
    return (
        instance
        for instance in documents
        if named(instance)
        and held(instance.locks)
        and (not outside or instance.public_address in outside)
        and (not elastic or instance.eip.ip_address in elastic)
        and vpc in ("", instance.vpc_id)
        and vswitch in ("", instance.vswitch_id)
        and (not group or group in instance.security_groups)
        and (not addresses or instance.address in addresses)
        and fits(instance)
    )


def _cards(cloud: Cloud, instance: Instance) -> Json:
    card = cloud.store.get(NetworkInterface, instance.network_interface)
    address = instance.address
    return {
        "NetworkInterface": [
            {
                "NetworkInterfaceId": instance.network_interface,
                "Type": "Primary",
                "MacAddress": card.mac_address if card else "",
                "PrimaryIpAddress": address,
                "PrivateIpSets": {"PrivateIpSet": [{"PrivateIpAddress": address, "Primary": True}]},
                "Ipv6Sets": {"Ipv6Set": []},
            }
        ]
    }
