"""NAS mount targets: the names under which machines mount a file system."""

import secrets
import string

from localcloud.cloud.actions import action
from localcloud.cloud.checks import unsupported
from localcloud.cloud.cloud import GONE, Cloud
from localcloud.cloud.model import AccessGroup, FileSystem, MountTarget, VSwitch
from localcloud.cloud.model.nas import OPEN_GROUP, access_group_key
from localcloud.cloud.paging import page
from localcloud.cloud.params import Params
from localcloud.cloud.resources.vswitch import free_address
from localcloud.cloud.shares import publish
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, not_found, wrong_status

MISSING = ("InvalidMountTarget.NotFound", "mount target")
FILE_SYSTEM_MISSING = ("InvalidFileSystem.NotFound", "file system")
MOST = {"standard": 2, "extreme": 2}  # Alibaba's documentation: mount targets a file system


@action("NAS", "CreateMountTarget")
def create_mount_target(cloud: Cloud, params: Params) -> Json:
    """Gives a file system a name in a vSwitch, guarded by an access group."""
    system = cloud.need(FileSystem, params.need("FileSystemId"), *FILE_SYSTEM_MISSING)
    key, kind = system.file_system_id, system.file_system_type
    if system.status != "Running":
        raise ApiError(403, "OperationDenied.InvalidState", f"The file system is {system.status}.")
    if params.need("NetworkType").lower() != "vpc":
        raise invalid("NetworkType", "only Vpc is supported")
    group = params.text("AccessGroupName", OPEN_GROUP)
    _check_group(cloud, group, kind)
    vswitch = cloud.need(VSwitch, params.need("VSwitchId"), "InvalidVSwitchId.NotFound", "vSwitch")
    if vswitch.status != "Available":
        raise wrong_status("vSwitch", vswitch.status, "IncorrectVSwitchStatus")
    if params.text("VpcId", vswitch.vpc_id) != vswitch.vpc_id:
        raise not_found("InvalidVpcId.NotFound", "VPC of this vSwitch")
    if kind == "extreme" and vswitch.zone_id != system.zone_id:
        raise ApiError(400, "InvalidVSwitchId.ZoneMismatch", "The vSwitch is not in the file system's zone.")
    existing = [target for target in cloud.store.all(MountTarget) if target.file_system == key]
    if len(existing) >= MOST[kind]:
        raise ApiError(
            403,
            "OperationDenied.MountTargetCountsExceeded",
            f"The amount of MountTarget has reached its limits (maximum {MOST[kind]} per FileSystem).",
        )
    unsupported(params, "EnableIpv6", "SecurityGroupId")
    middle = f"-{''.join(secrets.choice(string.ascii_lowercase) for _ in range(3))}{secrets.randbelow(90) + 10}"
    region = cloud.settings.region
    service = "extreme.nas.aliyuncs.com" if kind == "extreme" else "nas.aliyuncs.com"
    domain = f"{key}{'' if kind == 'extreme' and not existing else middle}.{region}.{service}"
    target = MountTarget(
        mount_target_domain=domain,
        access_group=group,
        vpc_id=vswitch.vpc_id,
        vsw_id=vswitch.vswitch_id,
        file_system=key,
        file_system_type=kind,
        address=free_address(cloud, vswitch),
    )
    cloud.begin(target, status="Pending", then="Active")
    publish(cloud, key)
    return {"MountTargetDomain": domain}


@action("NAS", "DescribeMountTargets")
def describe_mount_targets(cloud: Cloud, params: Params) -> Json:
    """Mount targets of a file system; a list that is empty is no error, a domain that does not exist is."""
    key, domain = params.text("FileSystemId"), params.text("MountTargetDomain")
    if key and not cloud.store.get(FileSystem, key):
        raise not_found(*FILE_SYSTEM_MISSING)
    found = [
        target.wire()
        for target in cloud.store.all(MountTarget)
        if key in ("", target.file_system) and domain in ("", target.mount_target_domain)
    ]
    if domain and not found:
        raise not_found(*MISSING)
    return page(found, params, "MountTargets", "MountTarget")


@action("NAS", "ModifyMountTarget")
def modify_mount_target(cloud: Cloud, params: Params) -> Json:
    """Changes the access group, or switches the target off and on."""
    target = _need(cloud, params)
    if "AccessGroupName" in params:
        _check_group(cloud, params.text("AccessGroupName"), target.file_system_type)
        target.access_group = params.text("AccessGroupName")
    if "Status" in params:
        if params.text("Status") not in ("Active", "Inactive"):
            raise invalid("Status", "it is neither Active nor Inactive")
        target.status = params.text("Status")
    cloud.store.put(target)
    publish(cloud, target.file_system)
    return {}


@action("NAS", "DeleteMountTarget")
def delete_mount_target(cloud: Cloud, params: Params) -> Json:
    """Takes the name away; who has it mounted loses it."""
    target = _need(cloud, params)
    if target.status in ("Pending", "Deleting"):
        raise ApiError(403, "OperationDenied.InvalidState", f"The mount target is {target.status}.")
    cloud.begin(target, status="Deleting", then=GONE)
    publish(cloud, target.file_system)
    return {}


def _check_group(cloud: Cloud, name: str, kind: str) -> None:
    if name != OPEN_GROUP and not cloud.store.get(AccessGroup, access_group_key(name, kind)):
        raise not_found("InvalidAccessGroup.NotFound", f"access group {name} for {kind} file systems")


def _need(cloud: Cloud, params: Params) -> MountTarget:
    target = cloud.need(MountTarget, params.need("MountTargetDomain"), *MISSING)
    if params.text("FileSystemId", target.file_system) != target.file_system:
        raise not_found(*MISSING)
    return target
