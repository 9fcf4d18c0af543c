"""NAS file systems."""

import json
import secrets

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import NAS_STORAGE, ZONES
from localcloud.cloud.checks import nas_description, new_tags, unsupported
from localcloud.cloud.cloud import GONE, Cloud, stamp
from localcloud.cloud.model import FileSystem, MountTarget, NasStock
from localcloud.cloud.paging import page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, missing

MISSING = ("InvalidFileSystem.NotFound", "file system")
EXTREME_GIB = (100, 262144)  # Alibaba's documentation: an extreme file system is bought with a capacity
STANDARD_GIB = 1048576  # the same (limits): a standard one holds up to 1 PiB
QUOTA = 20  # the same: file systems an account and region


@action("NAS", "CreateFileSystem")
def create_file_system(cloud: Cloud, params: Params) -> Json:
    """Makes a file system; it serves nobody before it has a mount target."""
    kind, storage = params.text("FileSystemType", "standard"), params.need("StorageType")
    if params.text("ChargeType", "PayAsYouGo") != "PayAsYouGo":
        unsupported(params, "ChargeType")
    if params.number("EncryptType", 0, 0, 2) > 1:
        unsupported(params, "EncryptType")
    unsupported(params, "KmsKeyId", "SnapshotId", "Bandwidth", "DedicatedClusterId")
    words, tags = nas_description(params), new_tags(params)
    protocol = params.need("ProtocolType")
    if len(cloud.store.all(FileSystem)) >= QUOTA:
        raise ApiError(
            403,
            "OperationDenied.FileSystemCountsExceeded",
            f"The amount of FileSystem has reached its limits ({QUOTA}).",
        )
    if kind not in NAS_STORAGE:
        raise ApiError(400, "InvalidFileSystemType.NotSupported", f"The file system type {kind} is not supported here.")
    if storage not in NAS_STORAGE[kind]:
        raise ApiError(400, "InvalidStorageType.NotSupport", f"{storage} is not one of {', '.join(NAS_STORAGE[kind])}.")
    if protocol not in ("NFS", "SMB"):
        raise ApiError(400, "InvalidProtocolType.NotSupport", f"{protocol} is neither NFS nor SMB.")
    zone = params.text("ZoneId")
    if kind == "extreme" and not zone:
        raise missing("ZoneId")
    zone = zone or ZONES[cloud.settings.region][0]
    if zone not in ZONES[cloud.settings.region]:
        raise ApiError(404, "InvalidZoneId.NotFound", f"The specified zone {zone} does not exist.")
    blocked = cloud.store.get(NasStock, f"{zone}/{storage}")
    if blocked:
        raise ApiError(403, "InvalidAzone.NotAvailable", f"The zone {zone} does not offer {storage}.")
    capacity = params.number("Capacity", 0, *EXTREME_GIB) if kind == "extreme" else STANDARD_GIB
    if kind == "extreme" and not capacity:
        raise missing("Capacity")
    key = f"extreme-{secrets.token_hex(5)}" if kind == "extreme" else secrets.token_hex(5)
    system = FileSystem(
        file_system_id=key,
        file_system_type=kind,
        storage_type=storage,
        protocol_type=protocol,
        zone_id=zone,
        region_id=cloud.settings.region,
        description=words,
        create_time=stamp(),
        capacity=capacity,
        encrypt_type=params.number("EncryptType", 0, 0, 2),
        redundancy_type=params.text("RedundancyType", "LRS"),
        resource_group_id=params.text("ResourceGroupId", f"rg-{cloud.settings.account}"),
        tags=tags,
    )
    if params.flag("DryRun"):
        return {"FileSystemId": ""}
    cloud.backend.set_share(key, {}, ["255.255.255.255/32"])
    cloud.begin(system, status="Pending", then="Running")
    return {"FileSystemId": key}


@action("NAS", "DescribeFileSystems")
def describe_file_systems(cloud: Cloud, params: Params) -> Json:
    """File systems by id, kind, VPC and tags; an id that does not exist is an error, as in the cloud."""
    wanted, fits = params.text("FileSystemId"), tagged(params)
    if wanted:
        cloud.need(FileSystem, wanted, *MISSING)
    kind, vpc = params.text("FileSystemType", "all"), params.text("VpcId")
    found = [
        shown
        for shown in (
            _shown(cloud, system)
            for system in cloud.store.all(FileSystem)
            if wanted in ("", system.file_system_id)
            and (kind == "all" or system.file_system_type in kind.split(","))
            and fits(system)
        )
        if not vpc or any(target["VpcId"] == vpc for target in shown["MountTargets"]["MountTarget"])
    ]
    return page(found, params, "FileSystems", "FileSystem")


@action("NAS", "ModifyFileSystem")
def modify_file_system(cloud: Cloud, params: Params) -> Json:
    """Changes description and options."""
    system = _need(cloud, params)
    if params.given("Description"):
        system.description = nas_description(params)
    if "Options" in params:
        try:
            system.options = json.loads(params.text("Options"))
        except json.JSONDecodeError:
            raise invalid("Options", "it is not JSON") from None
    cloud.store.put(system)
    return {}


@action("NAS", "UpgradeFileSystem")
def upgrade_file_system(cloud: Cloud, params: Params) -> Json:
    """Makes an extreme file system larger."""
    system = _need(cloud, params)
    capacity = params.number("Capacity", 0, 1, EXTREME_GIB[1])
    if system.file_system_type != "extreme" or capacity <= system.capacity:
        raise ApiError(400, "InvalidCapacity.OutOfBounds", f"The capacity must be above {system.capacity} GiB.")
    if params.flag("DryRun"):
        return {}
    system.capacity = capacity
    cloud.store.put(system)
    return {}


@action("NAS", "DeleteFileSystem")
def delete_file_system(cloud: Cloud, params: Params) -> Json:
    """Takes a file system with all its files away, a while later, if nothing can mount it any more."""
    system = _need(cloud, params)
    key = system.file_system_id
    if any(target.file_system == key for target in cloud.store.all(MountTarget)):
        raise ApiError(
            403, "OperationDenied.MountTargetNotEmpty", "There are still MountTarget(s) on the specified FileSystem."
        )
    if system.status != "Running":
        raise ApiError(403, "OperationDenied.InvalidState", f"The file system is {system.status}.")
    cloud.backend.drop_share(key)
    cloud.begin(system, status="Deleting", then=GONE)
    return {}


@action("NAS", "GetRecycleBinAttribute")
def get_recycle_bin_attribute(cloud: Cloud, params: Params) -> Json:
    """What becomes of deleted files."""
    system = _need(cloud, params)
    return {
        "RecycleBinAttribute": {
            "Size": 0,
            "SecondarySize": 0,
            "EnableTime": system.recycle_since,
            "ReservedDays": system.recycle_days,
            "Status": "Enable" if system.recycle_days else "Disable",
        }
    }


@action("NAS", "EnableRecycleBin", "UpdateRecycleBinAttribute")
def enable_recycle_bin(cloud: Cloud, params: Params) -> Json:
    """Keeps deleted files for some days."""
    system = _need(cloud, params)
    system.recycle_days, system.recycle_since = params.number("ReservedDays", 3, 1, 180), stamp()
    cloud.store.put(system)
    return {}


@action("NAS", "DisableAndCleanRecycleBin")
def disable_and_clean_recycle_bin(cloud: Cloud, params: Params) -> Json:
    """Keeps deleted files no longer."""
    system = _need(cloud, params)
    system.recycle_days, system.recycle_since = 0, ""
    cloud.store.put(system)
    return {}


@action("NAS", "DescribeNfsAcl")
def describe_nfs_acl(cloud: Cloud, params: Params) -> Json:
    """Whether NFS access lists are in force."""
    return {"Acl": {"Enabled": _need(cloud, params).nfs_acl}}


@action("NAS", "EnableNfsAcl")
def enable_nfs_acl(cloud: Cloud, params: Params) -> Json:
    """Puts NFS access lists in force."""
    return _set_nfs_acl(cloud, params, enabled=True)


@action("NAS", "DisableNfsAcl")
def disable_nfs_acl(cloud: Cloud, params: Params) -> Json:
    """Takes NFS access lists out of force."""
    return _set_nfs_acl(cloud, params, enabled=False)


@action("NAS", "DescribeSmbAcl")
def describe_smb_acl(cloud: Cloud, params: Params) -> Json:
    """SMB access lists, which an NFS file system has not."""
    if _need(cloud, params).protocol_type != "SMB":
        raise ApiError(403, "InvalidProtocolType.NotSupport", "The protocol of the file system is not SMB.")
    return {"Acl": {"Enabled": False}}


def _set_nfs_acl(cloud: Cloud, params: Params, *, enabled: bool) -> Json:
    system = _need(cloud, params)
    system.nfs_acl = enabled
    cloud.store.put(system)
    return {}


def _need(cloud: Cloud, params: Params) -> FileSystem:
    return cloud.need(FileSystem, params.need("FileSystemId"), *MISSING)


def _shown(cloud: Cloud, system: FileSystem) -> Json:
    targets = [
        {
            "MountTargetDomain": target.mount_target_domain,
            "AccessGroupName": target.access_group,
            "NetworkType": "Vpc",
            "Status": target.status,
            "VpcId": target.vpc_id,
            "VswId": target.vsw_id,
        }
        for target in cloud.store.all(MountTarget)
        if target.file_system == system.file_system_id
    ]
    return {**system.wire(), "MountTargets": {"MountTarget": targets}}
