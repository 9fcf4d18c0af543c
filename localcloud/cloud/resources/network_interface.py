"""Network interfaces: the primary one that each machine is born with."""

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import Instance, NetworkInterface
from localcloud.cloud.model.instance import BoundEip
from localcloud.cloud.paging import copy_given, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json


def create_primary(cloud: Cloud, instance: Instance, address: str) -> str:
    """Makes a machine's first interface; returns its id."""
    key = cloud.new_id("eni")
    number = len(cloud.store.all(NetworkInterface))
    card = NetworkInterface(
        network_interface_id=key,
        instance_id=instance.instance_id,
        private_ip_address=address,
        creation_time=stamp(),
        mac_address=f"00:16:3e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        vpc_id=instance.vpc_id,
        vswitch_id=instance.vswitch_id,
        zone_id=instance.zone_id,
        resource_group_id=instance.resource_group_id,
        owner_id=cloud.settings.account,
        status="InUse",
        tags=dict(instance.tags),
    )
    cloud.store.put(card)
    return key


@action("Ecs", "DescribeNetworkInterfaces")
def describe_network_interfaces(cloud: Cloud, params: Params) -> Json:
    """Interfaces by id, machine, vSwitch, VPC, group, kind and tags."""
    wanted, group, fits = params.items("NetworkInterfaceId"), params.text("SecurityGroupId"), tagged(params)
    filters = {field: params.text(field) for field in ("InstanceId", "VSwitchId", "VpcId", "Type", "PrivateIpAddress")}
    found = [
        shown
        for shown in (_shown(cloud, card) for card in cloud.store.all(NetworkInterface) if fits(card))
        if (not wanted or shown["NetworkInterfaceId"] in wanted)
        and (not group or group in shown["SecurityGroupIds"]["SecurityGroupId"])
        and all(not value or shown[field] == value for field, value in filters.items())
    ]
    return page(found, params, "NetworkInterfaceSets", "NetworkInterfaceSet", most=500)


@action("Ecs", "ModifyNetworkInterfaceAttribute")
def modify_network_interface_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name and description."""
    key = params.need("NetworkInterfaceId")
    card = cloud.need(NetworkInterface, key, "InvalidEniId.NotFound", "network interface")
    copy_given(card, params, "NetworkInterfaceName", "Description")
    cloud.store.put(card)
    return {}


def _shown(cloud: Cloud, card: NetworkInterface) -> Json:
    instance = cloud.store.get(Instance, card.instance_id)
    eip = instance.eip if instance else BoundEip()
    outside = {"AllocationId": eip.allocation_id, "PublicIpAddress": eip.ip_address}
    address = {"PrivateIpAddress": card.private_ip_address, "Primary": True, "AssociatedPublicIp": outside}
    return {
        **card.wire(),
        "SecurityGroupIds": {"SecurityGroupId": instance.security_groups if instance else card.groups},
        "PrivateIpSets": {"PrivateIpSet": [address]},
        "AssociatedPublicIp": outside,
    }
