"""What one may know about machines."""

from collections.abc import Iterable

from localcloud.cloud.actions import action
from localcloud.cloud.answers import ecs_tags, filtered, locked, page, public, tagged
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

MISSING = ("InvalidInstanceId.NotFound", "instance")
MAINTENANCE = ("AutoRecover", "Stop", "AutoRedeploy")
FILTERS = {
    field: field
    for field in (
        "InstanceName", "ZoneId", "InstanceType", "InstanceTypeFamily", "InstanceChargeType", "Status", "KeyPairName",
        "ImageId", "ResourceGroupId", "InternetChargeType", "InstanceNetworkType", "HpcClusterId", "DeviceAvailable",
        "IoOptimized",
    )
}  # fmt: skip


@action("Ecs", "DescribeInstances")
def describe_instances(cloud: Cloud, params: Params) -> Json:
    """Machines by id, VPC, vSwitch, group, address, tags and the plain fields."""
    found = (
        {**public(instance), "Tags": ecs_tags(instance["_tags"]), "NetworkInterfaces": _cards(cloud, instance)}
        for instance in _chosen(cloud, params)
    )
    answer = page(found, params, "Instances", "Instance")
    answer.setdefault("NextToken", "")
    return answer


@action("Ecs", "DescribeInstanceStatus")
def describe_instance_status(cloud: Cloud, params: Params) -> Json:
    """Status of each machine."""
    wanted = params.items("InstanceId")
    found = (
        {"InstanceId": instance["InstanceId"], "Status": instance["Status"]}
        for instance in cloud.store.all("instance")
        if not wanted or instance["InstanceId"] in wanted
    )
    return page(found, params, "InstanceStatuses", "InstanceStatus", most=50)


@action("Ecs", "DescribeInstanceAttribute")
def describe_instance_attribute(cloud: Cloud, params: Params) -> Json:
    """One machine."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    fields = (
        "InstanceId", "InstanceName", "HostName", "Description", "RegionId", "ZoneId", "ClusterId", "ImageId",
        "InstanceType", "InstanceNetworkType", "InstanceChargeType", "Status", "StoppedMode", "SerialNumber", "VlanId",
        "CreationTime", "ExpiredTime", "InternetChargeType", "InternetMaxBandwidthIn", "InternetMaxBandwidthOut",
        "SecurityGroupIds", "VpcAttributes", "PublicIpAddress", "InnerIpAddress", "EipAddress", "OperationLocks",
        "CreditSpecification", "Cpu", "Memory",
    )  # fmt: skip
    shown = {field: instance[field] for field in fields}
    shown["EipAddress"] = {key: value for key, value in instance["EipAddress"].items() if key != "IsSupportUnassociate"}
    return {**shown, "IoOptimized": "optimized", "EnableJumboFrame": False}


@action("Ecs", "DescribeUserData")
def describe_user_data(cloud: Cloud, params: Params) -> Json:
    """What a machine was told for its first boot, in Base64."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    return {
        "RegionId": cloud.settings.region, "InstanceId": instance["InstanceId"], "UserData": instance["_user_data"],
    }  # fmt: skip


@action("Ecs", "DescribeInstanceRamRole")
def describe_instance_ram_role(cloud: Cloud, params: Params) -> Json:
    """Roles of machines."""
    sets = [
        {"InstanceId": instance["InstanceId"], "RamRoleName": instance["_role"]}
        for instance in _chosen(cloud, params)
        if instance["_role"]
    ]
    return {
        "RegionId": cloud.settings.region, "TotalCount": len(sets), "InstanceRamRoleSets": {"InstanceRamRoleSet": sets},
    }  # fmt: skip


@action("Ecs", "DescribeInstanceMaintenanceAttributes")
def describe_instance_maintenance_attributes(cloud: Cloud, params: Params) -> Json:
    """What the cloud may do to a machine when its host needs care."""
    wanted = params.items("InstanceId")
    found = (
        {
            "InstanceId": instance["InstanceId"],
            "MaintenanceWindows": {
                "MaintenanceWindow": instance["_maintenance"].get("MaintenanceWindow", []),
            },
            "NotifyOnMaintenance": instance["_maintenance"].get("NotifyOnMaintenance", False),
            "ActionOnMaintenance": {
                "Value": instance["_maintenance"].get("ActionOnMaintenance", "AutoRecover"),
                "DefaultValue": "AutoRecover",
                "SupportedValues": {"SupportedValue": list(MAINTENANCE)},
            },
        }
        for instance in cloud.store.all("instance")
        if not wanted or instance["InstanceId"] in wanted
    )  # fmt: skip
    return page(found, params, "MaintenanceAttributes", "MaintenanceAttribute")


@action("Ecs", "DescribeInstanceAttachmentAttributes")
def describe_instance_attachment_attributes(cloud: Cloud, params: Params) -> Json:
    """Private pools of machines: none here."""
    found = (
        {
            "InstanceId": instance["InstanceId"], "PrivatePoolOptionsId": "",
            "PrivatePoolOptionsMatchCriteria": "None",
        }
        for instance in _chosen(cloud, params)
    )  # fmt: skip
    return page(found, params, "Instances", "Instance")


@action("Ecs", "DescribeInstanceAutoRenewAttribute")
def describe_instance_auto_renew_attribute(cloud: Cloud, params: Params) -> Json:
    """Renewal of machines that are paid in advance: none renews itself here."""
    wanted = params.items("InstanceId")
    found = (
        {
            "InstanceId": instance["InstanceId"], "AutoRenewEnabled": False, "Duration": 0, "PeriodUnit": "Month",
            "RenewalStatus": "Normal",
        }
        for instance in cloud.store.all("instance")
        if not wanted or instance["InstanceId"] in wanted
    )  # fmt: skip
    return page(found, params, "InstanceRenewAttributes", "InstanceRenewAttribute")


def _chosen(cloud: Cloud, params: Params) -> Iterable[Json]:
    wanted = params.json_items("InstanceIds")
    named, held = filtered(params, FILTERS, starred=("InstanceName",)), locked(params)
    group, fits = params.text("SecurityGroupId"), tagged(params)
    network = {field: params.text(field) for field in ("VpcId", "VSwitchId")}
    addresses = params.json_items("PrivateIpAddresses")
    outside = params.json_items("PublicIpAddresses")
    elastic = params.json_items("EipAddresses")
    documents = (
        [found for key in wanted if (found := cloud.store.get("instance", key))]
        if wanted
        else cloud.store.all("instance")
    )
    return (
        instance
        for instance in documents
        if named(instance)
        and held(instance)
        and (not outside or set(outside) & set(instance["PublicIpAddress"]["IpAddress"]))
        and (not elastic or instance["EipAddress"]["IpAddress"] in elastic)
        and all(not value or instance["VpcAttributes"][field] == value for field, value in network.items())
        and (not group or group in instance["SecurityGroupIds"]["SecurityGroupId"])
        and (not addresses or instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0] in addresses)
        and fits(instance)
    )


def _cards(cloud: Cloud, instance: Json) -> Json:
    card = cloud.store.get("network_interface", instance["_card"]) or {}
    address = instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
    return {
        "NetworkInterface": [
            {
                "NetworkInterfaceId": instance["_card"], "MacAddress": card.get("MacAddress", ""), "Type": "Primary",
                "PrimaryIpAddress": address,
                "PrivateIpSets": {"PrivateIpSet": [{"PrivateIpAddress": address, "Primary": True}]},
                "Ipv6Sets": {"Ipv6Set": []},
            }
        ]
    }  # fmt: skip
