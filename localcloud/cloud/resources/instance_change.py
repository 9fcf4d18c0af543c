"""Changes of machines that exist."""

import base64

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import IMAGES, TYPES, move_stock, sold_in, stock
from localcloud.cloud.checks import description, dry_run, ecs_name, host_name, one_of, password, unsupported
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.machines import problem
from localcloud.cloud.model import Disk, Instance, KeyPair, NetworkInterface, VSwitch
from localcloud.cloud.model.instance import ECONOMICAL, MAINTENANCE
from localcloud.cloud.paging import copy_given
from localcloud.cloud.params import Params
from localcloud.cloud.public_addresses import free_public_address
from localcloud.cloud.resources.instance import MISSING
from localcloud.cloud.resources.instance_run import check_release_time
from localcloud.cloud.resources.security_group import joinable
from localcloud.cloud.resources.vswitch import free_address
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError, not_found, wrong_status

WRONG = "IncorrectInstanceStatus"
NETWORK_CHARGES = ("PayByTraffic", "PayByBandwidth")


@action("Ecs", "ModifyInstanceAttribute")
def modify_instance_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes names, description, protection, groups, and user data, which a machine that ran once only shows."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    ecs_name(params, "InstanceName")
    host_name(params)
    description(params)
    password(params)
    copy_given(instance, params, "InstanceName", "HostName", "Description")
    if "DeletionProtection" in params:
        instance.deletion_protection = params.flag("DeletionProtection")
    if "UserData" in params:
        try:
            base64.b64decode(params.text("UserData"), validate=True)
        except ValueError:  # no Base64, no ASCII
            raise ApiError(400, "InvalidUserData.Base64FormatInvalid", "The user data is not Base64.") from None
        instance.user_data = params.text("UserData")
    groups = params.items("SecurityGroupIds")
    if groups:
        joinable(cloud, groups, instance.vpc_id)
        instance.security_groups = groups
    _save(cloud, instance)
    return {}


@action("Ecs", "JoinSecurityGroup")
def join_security_group(cloud: Cloud, params: Params) -> Json:
    """Puts a machine into a group."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    group, groups = params.need("SecurityGroupId"), instance.security_groups
    joinable(cloud, [*groups, group], instance.vpc_id)
    if group in groups:
        raise ApiError(
            403, "InvalidInstanceId.AlreadyExists", "The specified instance already exists in the specified group."
        )
    groups.append(group)
    _save(cloud, instance)
    return {}


@action("Ecs", "LeaveSecurityGroup")
def leave_security_group(cloud: Cloud, params: Params) -> Json:
    """Takes a machine out of a group; its last one it cannot leave."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    group, groups = params.need("SecurityGroupId"), instance.security_groups
    if group not in groups:
        raise not_found("InvalidSecurityGroupId.NotFound", "security group of this instance")
    if len(groups) == 1:
        raise ApiError(403, "InstanceLastSecurityGroup", "The instance is not allowed to leave its last group.")
    groups.remove(group)
    _save(cloud, instance)
    return {}


@action("Ecs", "ModifyInstanceAutoReleaseTime")
def modify_instance_auto_release_time(cloud: Cloud, params: Params) -> Json:
    """Changes when a machine releases itself; an empty time means never."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    instance.auto_release_time = check_release_time(params.text("AutoReleaseTime"))
    cloud.store.put(instance)
    return {}


@action("Ecs", "ModifyInstanceSpec")
def modify_instance_spec(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine another type."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    if "InstanceType" not in params:
        return {}
    if instance.status != "Stopped":
        raise wrong_status("instance", instance.status, WRONG)
    unsupported(params, "TemporaryCapacity", "MigrateAcrossZone")
    name, zone = params.text("InstanceType"), instance.zone_id
    kind = TYPES.get(name)
    if kind is None:
        raise ApiError(400, "InvalidInstanceType.ValueNotSupported", f"The instance type {name} does not exist.")
    if zone not in sold_in(cloud.settings.region, kind) or stock(cloud.store, zone, name) == 0:
        raise ApiError(403, "OperationDenied.NoStock", f"{name} is sold out in {zone}.")
    dry_run(params)
    if instance.stopped_mode != ECONOMICAL:
        move_stock(cloud.store, zone, instance.instance_type, 1)
        move_stock(cloud.store, zone, name, -1)
    instance.instance_type, instance.instance_type_family = name, kind.family
    instance.cpu, instance.memory = kind.cpus, kind.memory * 1024
    instance.gpu_amount, instance.gpu_spec = kind.gpus, kind.gpu
    cloud.store.put(instance)
    return {}


@action("Ecs", "ModifyInstanceVpcAttribute")
def modify_instance_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine another address, of its vSwitch or of another in its zone and VPC.

    Here its disk begins anew with the next start, as a machine behind the API is made with its address.
    """
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    vswitch = cloud.need(VSwitch, params.need("VSwitchId"), "InvalidVSwitchId.NotFound", "vSwitch")
    if instance.status != "Stopped":
        raise wrong_status("instance", instance.status, WRONG)
    if (vswitch.zone_id, vswitch.vpc_id) != (instance.zone_id, instance.vpc_id):
        raise ApiError(400, "InvalidVSwitchId.NotSupported", "The vSwitch is not in the zone and VPC of the instance.")
    wanted = params.text("PrivateIpAddress")
    if vswitch.vswitch_id == instance.vswitch_id and wanted in ("", instance.address):
        return {}
    instance.address, instance.vswitch_id = free_address(cloud, vswitch, wanted), vswitch.vswitch_id
    card = cloud.store.get(NetworkInterface, instance.network_interface)
    if card:
        card.vswitch_id, card.private_ip_address = instance.vswitch_id, instance.address
        cloud.store.put(card)
    _begin_anew(cloud, instance)
    _save(cloud, instance)
    return {}


@action("Ecs", "ModifyInstanceNetworkSpec")
def modify_instance_network_spec(cloud: Cloud, params: Params) -> Json:
    """Changes the bandwidth to the outside; none at all takes the public address away."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    dry_run(params)
    instance.internet_max_bandwidth_out = params.number(
        "InternetMaxBandwidthOut", instance.internet_max_bandwidth_out, 0, 100
    )
    instance.internet_max_bandwidth_in = params.number("InternetMaxBandwidthIn", instance.internet_max_bandwidth_in)
    if "NetworkChargeType" in params:
        instance.internet_charge_type = one_of(params, "NetworkChargeType", *NETWORK_CHARGES)
    if not instance.internet_max_bandwidth_out and instance.public_address:
        instance.public_address = ""
        cloud.backend.set_public(instance.instance_id, instance.outside_address)
    cloud.store.put(instance)
    return {"OrderId": ""}


@action("Ecs", "AllocatePublicIpAddress")
def allocate_public_ip_address(cloud: Cloud, params: Params) -> Json:
    """Gives a machine a public address of its own."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    if instance.outside_address:
        raise ApiError(403, "AllocatedAlready", "A public IP address is already allocated to the specified instance.")
    instance.public_address = free_public_address(cloud)
    cloud.store.put(instance)
    if instance.status == "Running":
        cloud.backend.set_public(instance.instance_id, instance.outside_address)
    return {"IpAddress": instance.public_address}


@action("Ecs", "ReplaceSystemDisk")
def replace_system_disk(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine a new disk from an image; it stays stopped."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    if instance.status != "Stopped":
        raise wrong_status("instance", instance.status, WRONG)
    unsupported(params, "EncryptAlgorithm", "KMSKeyId")
    password(params)
    image = params.text("ImageId", instance.image_id)
    if image not in IMAGES:
        raise not_found("InvalidImageId.NotFound", f"image {image}")
    instance.image_id, instance.os_name = image, IMAGES[image].name
    if "KeyPairName" in params:
        instance.key_pair_name = params.text("KeyPairName")
    _begin_anew(cloud, instance)
    cloud.store.put(instance)
    key = instance.instance_id
    disk = next((disk for disk in cloud.store.all(Disk) if disk.instance_id == key and disk.type == "system"), None)
    if disk is None:
        raise not_found("InvalidDiskId.NotFound", "system disk")
    cloud.store.delete(Disk, disk.disk_id)
    disk.disk_id, disk.image_id = cloud.new_id("d"), image
    disk.size = params.number("SystemDisk.Size", disk.size)
    cloud.store.put(disk)
    return {"DiskId": disk.disk_id}


@action("Ecs", "AttachKeyPair")
def attach_key_pair(cloud: Cloud, params: Params) -> Json:
    """Names another key pair for machines."""
    name = params.need("KeyPairName")
    cloud.need(KeyPair, name, "InvalidKeyPairName.NotFound", "key pair")
    return _set_pair(cloud, params, name)


@action("Ecs", "DetachKeyPair")
def detach_key_pair(cloud: Cloud, params: Params) -> Json:
    """Names no key pair for machines."""
    return _set_pair(cloud, params, "")


@action("Ecs", "ModifyInstanceMetadataOptions")
def modify_instance_metadata_options(cloud: Cloud, params: Params) -> Json:
    """Changes how a machine may ask about itself."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    instance.http_endpoint = params.text("HttpEndpoint", instance.http_endpoint)
    instance.http_tokens = params.text("HttpTokens", instance.http_tokens)
    cloud.store.put(instance)
    return {}


@action("Ecs", "ModifyInstanceMaintenanceAttributes")
def modify_instance_maintenance_attributes(cloud: Cloud, params: Params) -> Json:
    """Changes what happens to machines when their host needs care."""
    windows = [
        {"StartTime": window.need("StartTime"), "EndTime": window.need("EndTime")}
        for window in params.structs("MaintenanceWindow")
    ]
    for key in params.items("InstanceId"):
        instance = cloud.need(Instance, key, *MISSING)
        if windows:
            instance.maintenance_windows = windows
        if "ActionOnMaintenance" in params:
            instance.maintenance_action = one_of(params, "ActionOnMaintenance", *MAINTENANCE)
        if "NotifyOnMaintenance" in params:
            instance.maintenance_notice = params.flag("NotifyOnMaintenance")
        cloud.store.put(instance)
    return {}


def _begin_anew(cloud: Cloud, instance: Instance) -> None:
    """Takes the machine behind a stopped instance away, which stays stopped; its next start makes another."""
    instance.fresh = True
    try:
        cloud.backend.destroy(instance.instance_id)
    except LocalCloudError as error:
        problem(cloud, instance.instance_id, str(error))


def _set_pair(cloud: Cloud, params: Params, name: str) -> Json:
    results = []
    for key in params.json_items("InstanceIds"):
        instance = cloud.need(Instance, key, *MISSING)
        instance.key_pair_name = name
        cloud.store.put(instance)
        results.append({"InstanceId": key, "Success": "true", "Code": "200", "Message": "successful"})
    return {
        "KeyPairName": params.text("KeyPairName"),
        "TotalCount": str(len(results)),
        "FailCount": "0",
        "Results": {"Result": results},
    }


def _save(cloud: Cloud, instance: Instance) -> None:
    cloud.store.put(instance)
    apply_to(cloud, instance.vpc_id)
