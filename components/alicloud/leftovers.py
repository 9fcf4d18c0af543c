"""What an account still holds of a stack, found by tag, and how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from components.alicloud.api import Api, ApiError, as_json, tagged
from components.alicloud.errors import Kind
from components.alicloud.tags import ROLE, STACK

GONE_SECONDS = 300
"""How long a deletion may take before it counts as failed; a machine's takes 10 to 60 s."""
POLL_SECONDS = 2.0
FILE_SYSTEM_TYPES = ("standard", "extreme")
WEIGHTS = "weights"
"""The role of a file system that outlives its stack."""


@dataclass(frozen=True)
class Leftover:
    """One thing that carries the stack's tag.

    Attributes:
        kind: in words, such as `machine`.
        id: the cloud's id; of a mount target its domain, of an access group its name.
        name: its name, if any; of a mount target its file system, of an access group that one's type.
        role: its role's tag.
        zone: of a machine.
        type: of a machine, its instance type.
    """

    kind: str
    id: str
    name: str = ""
    role: str = ""
    zone: str = ""
    type: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.name})" if self.name else "")


def machines(api: Api, stack: str) -> list[Leftover]:
    """The stack's machines, whatever their state."""
    found = api.pages("ecs", "DescribeInstances", "Instances.Instance", Tag=tagged({STACK: stack}))
    return [
        Leftover(
            "machine",
            each["InstanceId"],
            each.get("InstanceName", ""),
            _role(each, "TagKey", "TagValue"),
            each.get("ZoneId", ""),
            each.get("InstanceType", ""),
        )
        for each in found
    ]


def leftovers(api: Api, stack: str) -> list[Leftover]:
    """Everything that carries the stack's tag, in the order in which it can be deleted."""
    return [*machines(api, stack), *_others(api, stack)]


def _others(api: Api, stack: str) -> Iterator[Leftover]:
    mine = tagged({STACK: stack})
    for each in api.pages("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress", Tag=mine):
        yield Leftover("public address", each["AllocationId"], each.get("IpAddress", ""))
    files = [
        Leftover("file system", each["FileSystemId"], each.get("Description", ""), _role(each, "Key", "Value"))
        for each in api.pages("nas", "DescribeFileSystems", "FileSystems.FileSystem", Tag=mine)
    ]
    yield from _mount_targets(api, stack, {each.id for each in files if each.role != WEIGHTS})
    yield from files
    for kind in FILE_SYSTEM_TYPES:  # asked for none, the cloud tells the first only
        for each in api.pages("nas", "DescribeAccessGroups", "AccessGroups.AccessGroup", FileSystemType=kind):
            # Access groups carry no tags: theirs is the name.
            if each["AccessGroupName"] == stack:
                yield Leftover("access group", each["AccessGroupName"], kind)
    for each in api.pages("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", Tag=mine):
        yield Leftover("security group", each["SecurityGroupId"], each.get("SecurityGroupName", ""))
    for each in api.pages("vpc", "DescribeVSwitches", "VSwitches.VSwitch", Tag=mine):
        yield Leftover("vSwitch", each["VSwitchId"], each.get("VSwitchName", ""))
    for each in api.pages("vpc", "DescribeVpcs", "Vpcs.Vpc", Tag=mine):
        yield Leftover("VPC", each["VpcId"], each.get("VpcName", ""))


def _mount_targets(api: Api, stack: str, files: Collection[str]) -> Iterator[Leftover]:
    """Those of these file systems, and those of others, adopted ones say, that the stack's own access group guards."""
    for each in api.pages("nas", "DescribeFileSystems", "FileSystems.FileSystem"):
        for target in (each.get("MountTargets") or {}).get("MountTarget") or []:
            if each["FileSystemId"] in files or target.get("AccessGroupName") == stack:
                yield Leftover("mount target", target["MountTargetDomain"], each["FileSystemId"])


def release(api: Api, ids: Sequence[str]) -> None:
    """Releases machines and waits until they are gone; one that is gone already is no error.

    Raises:
        ApiError: one stays.
    """
    if not ids:
        return  # an empty list of ids would ask for every machine of the account
    for each in ids:
        _until(lambda each=each: _delete_machine(api, each), f"machine {each} can't be released")  # type: ignore[misc]
    _until(lambda: _standing(api, ids), "machines are still there")


def _standing(api: Api, ids: Sequence[str]) -> str:
    found = api.pages("ecs", "DescribeInstances", "Instances.Instance", InstanceIds=as_json(list(ids)))
    return ", ".join(f"{each['InstanceId']} is {each['Status']}" for each in found)


def unmount(api: Api, stack: str, keep: str | None) -> None:
    """Deletes the stack's mount targets but `keep`: one made twice, for its answer was lost.

    The provider's own deletion of a mount target waits until its file system has none at all.
    """
    for each in list(_mount_targets(api, stack, ())):
        if each.id != keep:
            _delete(api, each)  # held: it is on its way out already


def delete(api: Api, stack: str, found: Sequence[Leftover], say: Callable[[str], None]) -> None:
    """Deletes leftovers, in the order given, and waits until the account has none of them any more.

    The cloud takes time for each, and refuses what depends on it until then: it is asked again for GONE_SECONDS.

    Raises:
        ApiError: one stays, with the cloud's last refusal.
    """
    rented = [each.id for each in found if each.kind == "machine"]
    if rented:
        say(f"releasing {len(rented)} machines")
        release(api, rented)
    for each in found:
        if each.kind != "machine":
            say(f"deleting {each}")
            _until(lambda each=each: _delete(api, each), f"{each} can't be deleted")  # type: ignore[misc]
    deleted = {str(each) for each in found}
    _until(
        lambda: ", ".join(text for text in map(str, _others(api, stack)) if text in deleted),
        "what was deleted is still there",
    )


def _delete_machine(api: Api, each: str) -> str:
    try:
        api.call("ecs", "DeleteInstance", InstanceId=each, Force=True, TerminateSubscription=True)
    except ApiError as error:
        return _refusal(error)
    return ""


def _delete(api: Api, each: Leftover) -> str:
    """What is in the way; empty when it is gone or on its way."""
    try:
        match each.kind:
            case "public address":
                api.call("vpc", "ReleaseEipAddress", AllocationId=each.id)
            case "mount target":
                api.call("nas", "DeleteMountTarget", FileSystemId=each.name, MountTargetDomain=each.id)
            case "file system":
                api.call("nas", "DeleteFileSystem", FileSystemId=each.id)
            case "access group":
                api.call("nas", "DeleteAccessGroup", AccessGroupName=each.id, FileSystemType=each.name)
            case "security group":
                api.call("ecs", "DeleteSecurityGroup", SecurityGroupId=each.id)
            case "vSwitch":
                api.call("vpc", "DeleteVSwitch", VSwitchId=each.id)
            case "VPC":
                api.call("vpc", "DeleteVpc", VpcId=each.id)
    except ApiError as error:
        return _refusal(error)
    return ""


def _refusal(error: ApiError) -> str:
    """Why a deletion has to be asked for again; empty when it need not, for nothing is there.

    Raises:
        ApiError: another try would be refused as well.
    """
    if error.kind not in {Kind.GONE, Kind.HELD, Kind.TRANSIENT}:
        raise error
    return "" if error.kind is Kind.GONE else str(error)


def _until(attempt: Callable[[], str], otherwise: str) -> None:
    """Tries until nothing is in the way any more; `attempt` says what is."""
    deadline = time.monotonic() + GONE_SECONDS
    while why := attempt():
        if time.monotonic() > deadline:
            raise ApiError("Timeout", f"{otherwise} after {GONE_SECONDS} s ({why}); see the console")
        time.sleep(POLL_SECONDS)


def _role(each: dict[str, object], key: str, value: str) -> str:
    tags = each.get("Tags")
    listed = tags.get("Tag") if isinstance(tags, dict) else None
    return next((str(tag.get(value)) for tag in listed or [] if tag.get(key) == ROLE), "")
