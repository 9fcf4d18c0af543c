"""Disks: the system's and data disks that machines are made with."""

from localcloud.cloud.actions import action
from localcloud.cloud.answers import copy_given, ecs_tags, filtered, page, public, tagged
from localcloud.cloud.catalog import DISK_CATEGORIES
from localcloud.cloud.checks import dry_run, unsupported
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

SYSTEM_GIB = 40  # the cloud's default
LEVELS = {"cloud_essd": "PL1"}
FILTERS = {
    field: field
    for field in (
        "ZoneId", "Category", "Status", "DiskName", "Portable", "DeleteWithInstance", "DeleteAutoSnapshot",
        "EnableAutoSnapshot", "DiskChargeType", "ResourceGroupId", "Encrypted", "KMSKeyId", "MultiAttach",
    )
}  # fmt: skip
LEAST_GIB = {"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261}
"""What an ESSD of each performance level holds at least (Alibaba's documentation of ESSDs)."""
MOST_DATA_DISKS = 16  # Alibaba's documentation of RunInstances
ENTRY, ENTRY_FAMILIES = "cloud_essd_entry", ("ecs.u1", "ecs.e")
"""The category that only these families take (the same)."""


def check_disks(params: Params, family: str) -> None:
    """What RunInstances asks for, without making it.

    Raises:
        ApiError: a category, size or level that cannot be, or something that is not implemented.
    """
    for kind, wish in [
        ("SystemDisk", params.sub("SystemDisk")),
        *(("DataDisk", w) for w in params.structs("DataDisk")),
    ]:
        category = wish.text("Category", "cloud_essd")
        if category not in DISK_CATEGORIES or (category == ENTRY and family not in ENTRY_FAMILIES):
            raise ApiError(
                400, f"Invalid{kind}Category.ValueNotSupported", f"The disk category {category} is not supported."
            )
        unsupported(wish, "KMSKeyId", "EncryptAlgorithm", "SnapshotId", "StorageClusterId", "AutoSnapshotPolicyId")
        size = wish.number("Size", SYSTEM_GIB, 20, 2048 if kind == "SystemDisk" else 65536)
        check_level(category, wish.text("PerformanceLevel"), size, kind)
    if len(params.structs("DataDisk")) > MOST_DATA_DISKS:
        raise ApiError(400, "InvalidDataDiskCount", f"An instance has at most {MOST_DATA_DISKS} data disks.")


def check_level(category: str, level: str, size: int, kind: str = "SystemDisk") -> None:
    """Whether a disk of a category and size, in GiB, can have a performance level.

    Raises:
        ApiError: it cannot.
    """
    if level and level not in LEAST_GIB:
        raise invalid("PerformanceLevel", f"{level} is not one of {', '.join(LEAST_GIB)}")
    if level and category == "cloud_essd" and size < LEAST_GIB[level]:
        raise ApiError(
            400, f"Invalid{kind}Size.LessThanMinSize", f"{level} begins at {LEAST_GIB[level]} GiB, and not {size}."
        )


def create_disks(cloud: Cloud, instance: Json, params: Params) -> None:
    """Makes the disks that RunInstances asks for, after `check_disks`."""
    wishes = [("system", params.sub("SystemDisk")), *(("data", wish) for wish in params.structs("DataDisk"))]
    for number, (kind, wish) in enumerate(wishes):
        category = wish.text("Category", "cloud_essd")
        size = wish.number("Size", SYSTEM_GIB)
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
    """Disks by machine, kind, id, the plain fields and tags."""
    machine, kind, fits = params.text("InstanceId"), params.text("DiskType", "all"), tagged(params)
    named = filtered(params, FILTERS, starred=("DiskName",))
    wanted = params.json_items("DiskIds")
    found = (
        {**public(disk), "Tags": ecs_tags(disk["_tags"])}
        for disk in cloud.store.all("disk")
        if (not machine or disk["InstanceId"] == machine)
        and kind in ("all", disk["Type"])
        and (not wanted or disk["DiskId"] in wanted)
        and named(disk)
        and "LockReason" not in params  # no disk here is ever locked
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
    category = params.text("DiskCategory", disk["Category"])
    check_level(category, params.text("PerformanceLevel"), disk["Size"])
    dry_run(params)
    standing = disk["PerformanceLevel"] if category == disk["Category"] else LEVELS.get(category, "")
    disk.update(Category=category, PerformanceLevel=params.text("PerformanceLevel", standing))
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
