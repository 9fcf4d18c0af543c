"""NAS mount targets: the names under which machines mount a file system."""

import secrets
import string

from localcloud.cloud.actions import action
from localcloud.cloud.answers import page, public
from localcloud.cloud.checks import unsupported
from localcloud.cloud.cloud import GONE, Cloud
from localcloud.cloud.params import Params
from localcloud.cloud.resources.vswitch import take_address
from localcloud.cloud.shares import OPEN_GROUP, publish
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, not_found, wrong_status

MISSING = ("InvalidMountTarget.NotFound", "mount target")
FILE_SYSTEM_MISSING = ("InvalidFileSystem.NotFound", "file system")
MOST = {"standard": 2, "extreme": 2}  # Alibaba's documentation: mount targets a file system


@action("NAS", "CreateMountTarget")
def create_mount_target(cloud: Cloud, params: Params) -> Json:
    """Gives a file system a name in a vSwitch, guarded by an access group."""
    system = cloud.need("file_system", params.need("FileSystemId"), *FILE_SYSTEM_MISSING)
    key, kind = system["FileSystemId"], system["FileSystemType"]
    if system["Status"] != "Running":
        raise ApiError(403, "OperationDenied.InvalidState", f"The file system is {system['Status']}.")
    if params.need("NetworkType").lower() != "vpc":
        raise invalid("NetworkType", "only Vpc is supported")
    group = params.text("AccessGroupName", OPEN_GROUP)
    _check_group(cloud, group, kind)
    vswitch = cloud.need("vswitch", params.need("VSwitchId"), "InvalidVSwitchId.NotFound", "vSwitch")
    if vswitch["Status"] != "Available":
        raise wrong_status("vSwitch", vswitch["Status"], "IncorrectVSwitchStatus")
    if params.text("VpcId", vswitch["VpcId"]) != vswitch["VpcId"]:
        raise not_found("InvalidVpcId.NotFound", "VPC of this vSwitch")
    if kind == "extreme" and vswitch["ZoneId"] != system["ZoneId"]:
        raise ApiError(400, "InvalidVSwitchId.ZoneMismatch", "The vSwitch is not in the file system's zone.")
    existing = [target for target in cloud.store.all("mount_target") if target["_file_system"] == key]
    if len(existing) >= MOST[kind]:
        raise ApiError(
            403, "OperationDenied.MountTargetCountsExceeded",
            f"The amount of MountTarget has reached its limits (maximum {MOST[kind]} per FileSystem).",
        )  # fmt: skip
    unsupported(params, "EnableIpv6", "SecurityGroupId")
    middle = f"-{''.join(secrets.choice(string.ascii_lowercase) for _ in range(3))}{secrets.randbelow(90) + 10}"
    region = cloud.settings.region
    service = "extreme.nas.aliyuncs.com" if kind == "extreme" else "nas.aliyuncs.com"
    domain = f"{key}{'' if kind == 'extreme' and not existing else middle}.{region}.{service}"
    document: Json = {
        "MountTargetDomain": domain, "AccessGroup": group, "NetworkType": "Vpc", "VpcId": vswitch["VpcId"],
        "VswId": vswitch["VSwitchId"], "DualStackMountTargetDomain": "", "IPVersion": "ipv4",
        "ClientMasterNodes": {"ClientMasterNode": []}, "Tags": {"Tag": []},
        "_file_system": key, "_kind": kind, "_address": take_address(cloud, vswitch),
    }  # fmt: skip
    cloud.begin("mount_target", domain, document, status="Pending", then="Active")
    publish(cloud, key)
    return {"MountTargetDomain": domain}


@action("NAS", "DescribeMountTargets")
def describe_mount_targets(cloud: Cloud, params: Params) -> Json:
    """Mount targets of a file system; a list that is empty is no error, a domain that does not exist is."""
    key, domain = params.text("FileSystemId"), params.text("MountTargetDomain")
    if key and not cloud.store.get("file_system", key):
        raise not_found(*FILE_SYSTEM_MISSING)
    found = [
        {field: value for field, value in public(target).items() if value != ""}
        for target in cloud.store.all("mount_target")
        if key in ("", target["_file_system"]) and domain in ("", target["MountTargetDomain"])
    ]
    if domain and not found:
        raise not_found(*MISSING)
    return page(found, params, "MountTargets", "MountTarget")


@action("NAS", "ModifyMountTarget")
def modify_mount_target(cloud: Cloud, params: Params) -> Json:
    """Changes the access group, or switches the target off and on."""
    target = _need(cloud, params)
    if "AccessGroupName" in params:
        _check_group(cloud, params.text("AccessGroupName"), target["_kind"])
        target["AccessGroup"] = params.text("AccessGroupName")
    if "Status" in params:
        if params.text("Status") not in ("Active", "Inactive"):
            raise invalid("Status", "it is neither Active nor Inactive")
        target["Status"] = params.text("Status")
    cloud.store.put("mount_target", target["MountTargetDomain"], target)
    publish(cloud, target["_file_system"])
    return {}


@action("NAS", "DeleteMountTarget")
def delete_mount_target(cloud: Cloud, params: Params) -> Json:
    """Takes the name away; who has it mounted loses it."""
    target = _need(cloud, params)
    if target["Status"] in ("Pending", "Deleting"):
        raise ApiError(403, "OperationDenied.InvalidState", f"The mount target is {target['Status']}.")
    cloud.begin("mount_target", target["MountTargetDomain"], target, status="Deleting", then=GONE)
    publish(cloud, target["_file_system"])
    return {}


def _check_group(cloud: Cloud, name: str, kind: str) -> None:
    if name != OPEN_GROUP and not cloud.store.get("access_group", f"{name}:{kind}"):
        raise not_found("InvalidAccessGroup.NotFound", f"access group {name} for {kind} file systems")


def _need(cloud: Cloud, params: Params) -> Json:
    target = cloud.need("mount_target", params.need("MountTargetDomain"), *MISSING)
    if params.text("FileSystemId", target["_file_system"]) != target["_file_system"]:
        raise not_found(*MISSING)
    return target
