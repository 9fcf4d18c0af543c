"""Network interfaces: the primary one that each machine is born with."""

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, ecs_tags, page, public, tagged
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json


def create_primary(cloud: Cloud, instance: Json, address: str) -> str:
    """Makes a machine's first interface; returns its id."""
    key = cloud.new_id("eni")
    number = len(cloud.store.keys("network_interface"))
    document: Json = {
        "NetworkInterfaceId": key, "NetworkInterfaceName": "", "Description": "", "Type": "Primary", "Status": "InUse",
        "InstanceId": instance["InstanceId"], "PrivateIpAddress": address, "CreationTime": stamp(),
        "MacAddress": f"00:16:3e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        "VpcId": instance["VpcAttributes"]["VpcId"], "VSwitchId": instance["VpcAttributes"]["VSwitchId"],
        "ZoneId": instance["ZoneId"], "ResourceGroupId": instance["ResourceGroupId"], "QueueNumber": 1,
        "QueuePairNumber": 0, "NetworkInterfaceTrafficMode": "Standard", "SourceDestCheck": False,
        "OwnerId": cloud.settings.account, "ServiceManaged": False, "DeleteOnRelease": True,
        "Ipv6Sets": {"Ipv6Set": []}, "Ipv4PrefixSets": {"Ipv4PrefixSet": []}, "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
        "Attachment": {"InstanceId": instance["InstanceId"], "DeviceIndex": 0, "NetworkCardIndex": 0},
        "_tags": dict(instance["_tags"]), "_groups": [],
    }  # fmt: skip
    cloud.store.put("network_interface", key, document)
    return key


@action("Ecs", "DescribeNetworkInterfaces")
def describe_network_interfaces(cloud: Cloud, params: Params) -> Json:
    """Interfaces by id, machine, vSwitch, VPC, group, kind and tags."""
    wanted, group, fits = params.items("NetworkInterfaceId"), params.text("SecurityGroupId"), tagged(params)
    filters = {field: params.text(field) for field in ("InstanceId", "VSwitchId", "VpcId", "Type", "PrivateIpAddress")}
    found = [
        shown
        for shown in (_shown(cloud, card) for card in cloud.store.all("network_interface") if fits(card))
        if (not wanted or shown["NetworkInterfaceId"] in wanted)
        and (not group or group in shown["SecurityGroupIds"]["SecurityGroupId"])
        and all(not value or shown[field] == value for field, value in filters.items())
    ]
    return page(found, params, "NetworkInterfaceSets", "NetworkInterfaceSet", most=500)


@action("Ecs", "ModifyNetworkInterfaceAttribute")
def modify_network_interface_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    key = params.need("NetworkInterfaceId")
    card = cloud.need("network_interface", key, "InvalidEniId.NotFound", "network interface")
    copy_given(card, params, {"NetworkInterfaceName": "NetworkInterfaceName", "Description": "Description"})
    cloud.store.put("network_interface", key, card)
    return {}


def _shown(cloud: Cloud, card: Json) -> Json:
    instance = cloud.store.get("instance", card["InstanceId"]) or {}
    eip = instance.get("EipAddress", {})
    public_side = {"AllocationId": eip.get("AllocationId", ""), "PublicIpAddress": eip.get("IpAddress", "")}
    address = {"PrivateIpAddress": card["PrivateIpAddress"], "Primary": True, "AssociatedPublicIp": public_side}
    return {
        **public(card),
        "SecurityGroupIds": instance.get("SecurityGroupIds", {"SecurityGroupId": card["_groups"]}),
        "PrivateIpSets": {"PrivateIpSet": [address]},
        "AssociatedPublicIp": public_side,
        "Tags": ecs_tags(card["_tags"]),
    }
