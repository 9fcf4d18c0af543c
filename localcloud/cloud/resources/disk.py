"""Disks: the system's and data disks that machines are made with."""

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import DISK_CATEGORIES
from localcloud.cloud.checks import dry_run, unsupported
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import Disk, Instance
from localcloud.cloud.paging import copy_given, filtered, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

SYSTEM_GIB = 40  # the cloud's default
LEVELS = {"cloud_essd": "PL1"}
FILTERS = {
    field: field
    for field in (
        "ZoneId",
        "Category",
        "Status",
        "DiskName",
        "Portable",
        "DeleteWithInstance",
        "DeleteAutoSnapshot",
        "EnableAutoSnapshot",
        "DiskChargeType",
        "ResourceGroupId",
        "Encrypted",
        "KMSKeyId",
        "MultiAttach",
    )
}
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
    disks = [("SystemDisk", params.sub("SystemDisk")), *(("DataDisk", each) for each in params.structs("DataDisk"))]
    for kind, given in disks:
        category = given.text("Category", "cloud_essd")
        if category not in DISK_CATEGORIES or (category == ENTRY and family not in ENTRY_FAMILIES):
            raise ApiError(
                400, f"Invalid{kind}Category.ValueNotSupported", f"The disk category {category} is not supported."
            )
        unsupported(given, "KMSKeyId", "EncryptAlgorithm", "SnapshotId", "StorageClusterId", "AutoSnapshotPolicyId")
        size = given.number("Size", SYSTEM_GIB, 20, 2048 if kind == "SystemDisk" else 65536)
        check_level(category, given.text("PerformanceLevel"), size, kind)
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


def create_disks(cloud: Cloud, instance: Instance, params: Params) -> None:
    """Makes the disks that RunInstances asks for, after `check_disks`."""
    disks = [("system", params.sub("SystemDisk")), *(("data", given) for given in params.structs("DataDisk"))]
    for number, (kind, given) in enumerate(disks):
        category = given.text("Category", "cloud_essd")
        disk = Disk(
            disk_id=cloud.new_id("d"),
            instance_id=instance.instance_id,
            type=kind,
            category=category,
            size=given.number("Size", SYSTEM_GIB),
            disk_name=given.text("DiskName"),
            description=given.text("Description"),
            region_id=instance.region_id,
            zone_id=instance.zone_id,
            image_id=instance.image_id,
            device=f"/dev/xvd{chr(ord('a') + number)}",
            encrypted=given.flag("Encrypted"),
            performance_level=given.text("PerformanceLevel", LEVELS.get(category, "")),
            auto_snapshot_policy_id=given.text("AutoSnapshotPolicyId"),
            bursting_enabled=given.flag("BurstingEnabled"),
            provisioned_iops=given.number("ProvisionedIops", 0),
            storage_cluster_id=given.text("StorageClusterId"),
            delete_with_instance=given.flag("DeleteWithInstance", True),
            creation_time=stamp(),
            attached_time=stamp(),
            resource_group_id=instance.resource_group_id,
            tags=dict(instance.tags),
        )
        cloud.store.put(disk)


@action("Ecs", "DescribeDisks")
def describe_disks(cloud: Cloud, params: Params) -> Json:
    """Disks by machine, kind, id, the plain fields and tags."""
    machine, kind, fits = params.text("InstanceId"), params.text("DiskType", "all"), tagged(params)
    named = filtered(params, FILTERS, starred=("DiskName",))
    wanted = params.json_items("DiskIds")
    found = (
        disk.wire()
        for disk in cloud.store.all(Disk)
        if (not machine or disk.instance_id == machine)
        and kind in ("all", disk.type)
        and (not wanted or disk.disk_id in wanted)
        and named(disk)
        and "LockReason" not in params  # no disk here is ever locked
        and fits(disk)
    )
    return page(found, params, "Disks", "Disk")


@action("Ecs", "ModifyDiskAttribute")
def modify_disk_attribute(cloud: Cloud, params: Params) -> Json:
    """Changes name, description and what happens to it when its machine goes."""
    for key in params.items("DiskIds") or [params.need("DiskId")]:
        disk = cloud.need(Disk, key, "InvalidDiskId.NotFound", "disk")
        copy_given(disk, params, "DiskName", "Description")
        disk.delete_with_instance = params.flag("DeleteWithInstance", disk.delete_with_instance)
        disk.bursting_enabled = params.flag("BurstingEnabled", disk.bursting_enabled)
        disk.delete_auto_snapshot = params.flag("DeleteAutoSnapshot", disk.delete_auto_snapshot)
        cloud.store.put(disk)
    return {}


@action("Ecs", "ModifyDiskSpec")
def modify_disk_spec(cloud: Cloud, params: Params) -> Json:
    """Changes a disk's performance level, category and provisioned IOPS."""
    disk = cloud.need(Disk, params.need("DiskId"), "InvalidDiskId.NotFound", "disk")
    if params.text("DiskCategory", disk.category) not in DISK_CATEGORIES:
        raise invalid("DiskCategory", f"the disk category {params.text('DiskCategory')} is not supported")
    category = params.text("DiskCategory", disk.category)
    check_level(category, params.text("PerformanceLevel"), disk.size)
    dry_run(params)
    standing = disk.performance_level if category == disk.category else LEVELS.get(category, "")
    disk.category, disk.performance_level = category, params.text("PerformanceLevel", standing)
    disk.provisioned_iops = params.number("ProvisionedIops", disk.provisioned_iops, 0)
    cloud.store.put(disk)
    return {"OrderId": "", "TaskId": ""}


@action("Ecs", "ResizeDisk")
def resize_disk(cloud: Cloud, params: Params) -> Json:
    """Makes a disk larger."""
    disk = cloud.need(Disk, params.need("DiskId"), "InvalidDiskId.NotFound", "disk")
    size = params.number("NewSize", 0, 1)
    if size <= disk.size:
        raise ApiError(400, "InvalidDiskSize.TooSmall", f"The new size must be above {disk.size} GiB.")
    disk.size = size
    cloud.store.put(disk)
    return {"OrderId": ""}
