"""Changes of machines that exist."""

import base64

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given
from localcloud.cloud.catalog import IMAGES, TYPES, move_stock, sold_in, stock
from localcloud.cloud.checks import description, dry_run, ecs_name, host_name, one_of, password, unsupported
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.firewall import apply_to
from localcloud.cloud.machines import ECONOMICAL, problem, public_address
from localcloud.cloud.params import Params
from localcloud.cloud.public_addresses import take_public
from localcloud.cloud.resources.instance import MAINTENANCE, MISSING
from localcloud.cloud.resources.instance_run import check_release_time
from localcloud.cloud.resources.security_group import joinable
from localcloud.cloud.resources.vswitch import take_address
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError, not_found, wrong_status

WRONG = "IncorrectInstanceStatus"
NETWORK_CHARGES = ("PayByTraffic", "PayByBandwidth")


@action("Ecs", "ModifyInstanceAttribute")
def modify_instance_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes names, description, protection, groups, and user data, which a machine that ran once only shows."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    ecs_name(params, "InstanceName")
    host_name(params)
    description(params)
    password(params)
    copy_given(instance, params, {"InstanceName": "InstanceName", "HostName": "HostName", "Description": "Description"})
    if "DeletionProtection" in params:
        instance["DeletionProtection"] = params.flag("DeletionProtection")
    if "UserData" in params:
        try:
            base64.b64decode(params.text("UserData"), validate=True)
        except ValueError:  # no Base64, no ASCII
            raise ApiError(400, "InvalidUserData.Base64FormatInvalid", "The user data is not Base64.") from None
        instance["_user_data"] = params.text("UserData")
    groups = params.items("SecurityGroupIds")
    if groups:
        joinable(cloud, groups, instance["VpcAttributes"]["VpcId"])
        instance["SecurityGroupIds"]["SecurityGroupId"] = groups
    _keep(cloud, instance)
    return {}


@action("Ecs", "JoinSecurityGroup")
def join_security_group(cloud: Cloud, params: Params) -> Json:
    """Puts a machine into a group."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    group, groups = params.need("SecurityGroupId"), instance["SecurityGroupIds"]["SecurityGroupId"]
    joinable(cloud, [*groups, group], instance["VpcAttributes"]["VpcId"])
    if group in groups:
        raise ApiError(
            403, "InvalidInstanceId.AlreadyExists", "The specified instance already exists in the specified group."
        )
    groups.append(group)
    _keep(cloud, instance)
    return {}


@action("Ecs", "LeaveSecurityGroup")
def leave_security_group(cloud: Cloud, params: Params) -> Json:
    """Takes a machine out of a group; its last one it cannot leave."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    group, groups = params.need("SecurityGroupId"), instance["SecurityGroupIds"]["SecurityGroupId"]
    if group not in groups:
        raise not_found("InvalidSecurityGroupId.NotFound", "security group of this instance")
    if len(groups) == 1:
        raise ApiError(403, "InstanceLastSecurityGroup", "The instance is not allowed to leave its last group.")
    groups.remove(group)
    _keep(cloud, instance)
    return {}


@action("Ecs", "ModifyInstanceAutoReleaseTime")
def modify_instance_auto_release_time(cloud: Cloud, params: Params) -> Json:
    """Changes when a machine releases itself; an empty time means never."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    instance["AutoReleaseTime"] = check_release_time(params.text("AutoReleaseTime"))
    cloud.store.put("instance", instance["InstanceId"], instance)
    return {}


@action("Ecs", "ModifyInstanceSpec")
def modify_instance_spec(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine another type."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    if "InstanceType" not in params:
        return {}
    if instance["Status"] != "Stopped":
        raise wrong_status("instance", instance["Status"], WRONG)
    unsupported(params, "TemporaryCapacity", "MigrateAcrossZone")
    name, zone = params.text("InstanceType"), instance["ZoneId"]
    kind = TYPES.get(name)
    if kind is None:
        raise ApiError(400, "InvalidInstanceType.ValueNotSupported", f"The instance type {name} does not exist.")
    if zone not in sold_in(cloud.settings.region, kind) or stock(cloud.store, zone, name) == 0:
        raise ApiError(403, "OperationDenied.NoStock", f"{name} is sold out in {zone}.")
    dry_run(params)
    if instance["StoppedMode"] != ECONOMICAL:
        move_stock(cloud.store, zone, instance["InstanceType"], 1)
        move_stock(cloud.store, zone, name, -1)
    instance.update(
        InstanceType=name, InstanceTypeFamily=kind.family, Cpu=kind.cpus, Memory=kind.memory * 1024,
        GPUAmount=kind.gpus, GPUSpec=kind.gpu,
    )  # fmt: skip
    cloud.store.put("instance", instance["InstanceId"], instance)
    return {}


@action("Ecs", "ModifyInstanceVpcAttribute")
def modify_instance_vpc_attribute(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine another address, of its vSwitch or of another in its zone and VPC.

    Here its disk begins anew with the next start, as a machine behind the API is made with its address.
    """
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    place = instance["VpcAttributes"]
    vswitch = cloud.need("vswitch", params.need("VSwitchId"), "InvalidVSwitchId.NotFound", "vSwitch")
    if instance["Status"] != "Stopped":
        raise wrong_status("instance", instance["Status"], WRONG)
    if (vswitch["ZoneId"], vswitch["VpcId"]) != (instance["ZoneId"], place["VpcId"]):
        raise ApiError(400, "InvalidVSwitchId.NotSupported", "The vSwitch is not in the zone and VPC of the instance.")
    wish = params.text("PrivateIpAddress")
    old = place["PrivateIpAddress"]["IpAddress"][0]
    if vswitch["VSwitchId"] == place["VSwitchId"] and wish in ("", old):
        return {}
    address = take_address(cloud, vswitch, wish)
    place.update(VSwitchId=vswitch["VSwitchId"], PrivateIpAddress={"IpAddress": [address]})
    card = cloud.store.get("network_interface", instance["_card"])
    if card:
        card.update(VSwitchId=vswitch["VSwitchId"], PrivateIpAddress=address)
        cloud.store.put("network_interface", instance["_card"], card)
    _begin_anew(cloud, instance)
    _keep(cloud, instance)
    return {}


@action("Ecs", "ModifyInstanceNetworkSpec")
def modify_instance_network_spec(cloud: Cloud, params: Params) -> Json:
    """Changes the bandwidth to the outside; none at all takes the public address away."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    dry_run(params)
    instance["InternetMaxBandwidthOut"] = params.number(
        "InternetMaxBandwidthOut", instance["InternetMaxBandwidthOut"], 0, 100
    )
    instance["InternetMaxBandwidthIn"] = params.number("InternetMaxBandwidthIn", instance["InternetMaxBandwidthIn"])
    if "NetworkChargeType" in params:
        instance["InternetChargeType"] = one_of(params, "NetworkChargeType", *NETWORK_CHARGES)
    if not instance["InternetMaxBandwidthOut"] and instance["PublicIpAddress"]["IpAddress"]:
        instance["PublicIpAddress"]["IpAddress"] = []
        cloud.backend.set_public(instance["InstanceId"], public_address(instance))
    cloud.store.put("instance", instance["InstanceId"], instance)
    return {"OrderId": ""}


@action("Ecs", "AllocatePublicIpAddress")
def allocate_public_ip_address(cloud: Cloud, params: Params) -> Json:
    """Gives a machine a public address of its own."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    own = instance["PublicIpAddress"]["IpAddress"]
    if own or instance["EipAddress"]["IpAddress"]:
        raise ApiError(403, "AllocatedAlready", "A public IP address is already allocated to the specified instance.")
    own.append(take_public(cloud))
    cloud.store.put("instance", instance["InstanceId"], instance)
    if instance["Status"] == "Running":
        cloud.backend.set_public(instance["InstanceId"], public_address(instance))
    return {"IpAddress": own[0]}


@action("Ecs", "ReplaceSystemDisk")
def replace_system_disk(cloud: Cloud, params: Params) -> Json:
    """Gives a stopped machine a new disk from an image; it stays stopped."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    if instance["Status"] != "Stopped":
        raise wrong_status("instance", instance["Status"], WRONG)
    unsupported(params, "EncryptAlgorithm", "KMSKeyId")
    password(params)
    image = params.text("ImageId", instance["ImageId"])
    if image not in IMAGES:
        raise not_found("InvalidImageId.NotFound", f"image {image}")
    instance.update(ImageId=image, OSName=IMAGES[image].name, OSNameEn=IMAGES[image].name)
    if "KeyPairName" in params:
        instance["KeyPairName"] = params.text("KeyPairName")
    _begin_anew(cloud, instance)
    cloud.store.put("instance", instance["InstanceId"], instance)
    key = instance["InstanceId"]
    disk = next(
        (disk for disk in cloud.store.all("disk") if disk["InstanceId"] == key and disk["Type"] == "system"), None
    )
    if disk is None:
        raise not_found("InvalidDiskId.NotFound", "system disk")
    cloud.store.delete("disk", disk["DiskId"])
    disk.update(DiskId=cloud.new_id("d"), ImageId=image, Size=params.number("SystemDisk.Size", disk["Size"]))
    cloud.store.put("disk", disk["DiskId"], disk)
    return {"DiskId": disk["DiskId"]}


@action("Ecs", "AttachKeyPair")
def attach_key_pair(cloud: Cloud, params: Params) -> Json:
    """Names another key pair for machines."""
    name = params.need("KeyPairName")
    cloud.need("key_pair", name, "InvalidKeyPairName.NotFound", "key pair")
    return _set_pair(cloud, params, name)


@action("Ecs", "DetachKeyPair")
def detach_key_pair(cloud: Cloud, params: Params) -> Json:
    """Names no key pair for machines."""
    return _set_pair(cloud, params, "")


@action("Ecs", "ModifyInstanceMetadataOptions")
def modify_instance_metadata_options(cloud: Cloud, params: Params) -> Json:
    """Changes how a machine may ask about itself."""
    instance = cloud.need("instance", params.need("InstanceId"), *MISSING)
    copy_given(instance["MetadataOptions"], params, {"HttpEndpoint": "HttpEndpoint", "HttpTokens": "HttpTokens"})
    cloud.store.put("instance", instance["InstanceId"], instance)
    return {}


@action("Ecs", "ModifyInstanceMaintenanceAttributes")
def modify_instance_maintenance_attributes(cloud: Cloud, params: Params) -> Json:
    """Changes what happens to machines when their host needs care."""
    windows = [
        {"StartTime": window.need("StartTime"), "EndTime": window.need("EndTime")}
        for window in params.structs("MaintenanceWindow")
    ]
    for key in params.items("InstanceId"):
        instance = cloud.need("instance", key, *MISSING)
        if windows:
            instance["_maintenance"]["MaintenanceWindow"] = windows
        if "ActionOnMaintenance" in params:
            instance["_maintenance"]["ActionOnMaintenance"] = one_of(params, "ActionOnMaintenance", *MAINTENANCE)
        if "NotifyOnMaintenance" in params:
            instance["_maintenance"]["NotifyOnMaintenance"] = params.flag("NotifyOnMaintenance")
        cloud.store.put("instance", key, instance)
    return {}


def _begin_anew(cloud: Cloud, instance: Json) -> None:
    """Takes the machine behind a stopped instance away, which stays stopped; its next start makes another."""
    instance["_fresh"] = True
    try:
        cloud.backend.destroy(instance["InstanceId"])
    except LocalCloudError as error:
        problem(cloud, instance["InstanceId"], str(error))


def _set_pair(cloud: Cloud, params: Params, name: str) -> Json:
    results = []
    for key in params.json_items("InstanceIds"):
        instance = cloud.need("instance", key, *MISSING)
        instance["KeyPairName"] = name
        cloud.store.put("instance", key, instance)
        results.append({"InstanceId": key, "Success": "true", "Code": "200", "Message": "successful"})
    return {
        "KeyPairName": params.text("KeyPairName"), "TotalCount": str(len(results)), "FailCount": "0",
        "Results": {"Result": results},
    }  # fmt: skip


def _keep(cloud: Cloud, instance: Json) -> None:
    cloud.store.put("instance", instance["InstanceId"], instance)
    apply_to(cloud, instance["VpcAttributes"]["VpcId"])
