"""Disks: the system's and data disks that machines are made with."""

from localcloud.api.answers import copy_given, ecs_tags, page, public, tagged
from localcloud.api.catalog import DISK_CATEGORIES
from localcloud.api.cloud import Cloud, stamp
from localcloud.api.errors import ApiError, invalid
from localcloud.api.params import Params
from localcloud.api.registry import Json, action

SYSTEM_GIB = 40  # the cloud's default
LEVELS = {"cloud_essd": "PL1"}


def create_disks(cloud: Cloud, instance: Json, params: Params) -> None:
    """Makes the disks that RunInstances asks for; raises ApiError for a category or size that cannot be."""
    wishes = [("system", params.sub("SystemDisk")), *(("data", wish) for wish in params.structs("DataDisk"))]
    for number, (kind, wish) in enumerate(wishes):
        category = wish.text("Category", "cloud_essd")
        if category not in DISK_CATEGORIES:
            raise ApiError(
                400, "InvalidSystemDiskCategory.ValueNotSupported", f"The disk category {category} is not supported."
            )
        size = wish.number("Size", SYSTEM_GIB, 20, 2048 if kind == "system" else 65536)
        key = cloud.new_id("d")
        document: Json = {
            "DiskId": key, "InstanceId": instance["InstanceId"], "Type": kind, "Category": category, "Size": size,
            "DiskName": wish.text("DiskName"), "Description": wish.text("Description"), "Status": "In_use",
            "RegionId": instance["RegionId"], "ZoneId": instance["ZoneId"], "ImageId": instance["ImageId"],
            "Device": f"/dev/xvd{chr(ord('a') + number)}", "Encrypted": wish.flag("Encrypted"), "KMSKeyId": "",
            "PerformanceLevel": wish.text("PerformanceLevel", LEVELS.get(category, "")),
            "AutoSnapshotPolicyId": wish.text("AutoSnapshotPolicyId"), "BurstingEnabled": wish.flag("BurstingEnabled"),
            "ProvisionedIops": wish.number("ProvisionedIops", 0), "StorageClusterId": wish.text("StorageClusterId"),
            "DeleteWithInstance": wish.flag("DeleteWithInstance", True), "DeleteAutoSnapshot": True, "Portable": False,
            "EnableAutoSnapshot": True, "DiskChargeType": "PostPaid", "CreationTime": stamp(), "AttachedTime": stamp(),
            "ResourceGroupId": instance["ResourceGroupId"], "MultiAttach": "Disabled", "SourceSnapshotId": "",
            "OperationLocks": {"OperationLock": []}, "_tags": dict(instance["_tags"]),
        }  # fmt: skip
        cloud.store.put("disk", key, document)


@action("Ecs", "DescribeDisks")
def describe_disks(cloud: Cloud, params: Params) -> Json:
    """Disks by machine, kind, id and tags."""
    machine, kind, fits = params.text("InstanceId"), params.text("DiskType", "all"), tagged(params)
    wanted = params.json_items("DiskIds")
    found = (
        {**public(disk), "Tags": ecs_tags(disk["_tags"])}
        for disk in cloud.store.all("disk")
        if (not machine or disk["InstanceId"] == machine)
        and kind in ("all", disk["Type"])
        and (not wanted or disk["DiskId"] in wanted)
        and fits(disk)
    )
    return page(found, params, "Disks", "Disk")


@action("Ecs", "ModifyDiskAttribute")
def modify_disk_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name, description and what happens to it when its machine goes."""
    for key in params.items("DiskIds") or [params.need("DiskId")]:
        disk = cloud.need("disk", key, "InvalidDiskId.NotFound", "disk")
        copy_given(disk, params, {"DiskName": "DiskName", "Description": "Description"})
        for flag in ("DeleteWithInstance", "BurstingEnabled", "DeleteAutoSnapshot"):
            if flag in params:
                disk[flag] = params.flag(flag)
        cloud.store.put("disk", key, disk)
    return {}


@action("Ecs", "ModifyDiskSpec")
def modify_disk_spec(cloud: Cloud, params: Params) -> Json:
    """Changes a disk's performance level, category and provisioned IOPS."""
    disk = cloud.need("disk", params.need("DiskId"), "InvalidDiskId.NotFound", "disk")
    if params.text("DiskCategory", disk["Category"]) not in DISK_CATEGORIES:
        raise invalid("DiskCategory", f"the disk category {params.text('DiskCategory')} is not supported")
    disk["Category"] = params.text("DiskCategory", disk["Category"])
    disk["PerformanceLevel"] = params.text("PerformanceLevel", disk["PerformanceLevel"])
    disk["ProvisionedIops"] = params.number("ProvisionedIops", disk["ProvisionedIops"], 0)
    cloud.store.put("disk", disk["DiskId"], disk)
    return {"OrderId": "", "TaskId": ""}


@action("Ecs", "ResizeDisk")
def resize_disk(cloud: Cloud, params: Params) -> Json:
    """Makes a disk larger."""
    disk = cloud.need("disk", params.need("DiskId"), "InvalidDiskId.NotFound", "disk")
    size = params.number("NewSize", 0, 1)
    if size <= disk["Size"]:
        raise ApiError(400, "InvalidDiskSize.TooSmall", f"The new size must be above {disk['Size']} GiB.")
    disk["Size"] = size
    cloud.store.put("disk", disk["DiskId"], disk)
    return {"OrderId": ""}
