"""What an account still holds of a stack, found by tag, and how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from components.alicloud.api import Api, ApiError, as_json, tagged
from components.alicloud.tags import ROLE, STACK

GONE_SECONDS = 300
"""How long a deletion may take before it counts as failed; a machine's takes 10 to 60 s."""
POLL_SECONDS = 2.0
WEIGHTS = "weights"
"""The role of a file system that outlives its stack."""


@dataclass(frozen=True)
class Leftover:
    """One thing that carries the stack's tag.

    Attributes:
        kind: in words, such as `machine`.
        id: the cloud's id.
        name: its name, if any.
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
            "machine", each["InstanceId"], each.get("InstanceName", ""), _role(each, "TagKey", "TagValue"),
            each.get("ZoneId", ""), each.get("InstanceType", ""),
        )
        for each in found
    ]  # fmt: skip


def leftovers(api: Api, stack: str) -> list[Leftover]:
    """Everything that carries the stack's tag, in the order in which it can be deleted."""
    return [*machines(api, stack), *_others(api, stack)]


def _others(api: Api, stack: str) -> Iterator[Leftover]:
    mine = tagged({STACK: stack})
    for each in api.pages("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress", Tag=mine):
        yield Leftover("public address", each["AllocationId"], each.get("IpAddress", ""))
    for each in api.pages("nas", "DescribeFileSystems", "FileSystems.FileSystem", Tag=mine):
        yield Leftover("file system", each["FileSystemId"], each.get("Description", ""), _role(each, "Key", "Value"))
    for each in api.pages("nas", "DescribeAccessGroups", "AccessGroups.AccessGroup"):
        # Access groups carry no tags: theirs is the name.
        if each["AccessGroupName"] == stack:
            yield Leftover("access group", each["AccessGroupName"])
    for each in api.pages("ecs", "DescribeKeyPairs", "KeyPairs.KeyPair", Tag=mine):
        yield Leftover("key pair", each["KeyPairName"])
    for each in api.pages("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", Tag=mine):
        yield Leftover("security group", each["SecurityGroupId"], each.get("SecurityGroupName", ""))
    for each in api.pages("vpc", "DescribeVSwitches", "VSwitches.VSwitch", Tag=mine):
        yield Leftover("vSwitch", each["VSwitchId"], each.get("VSwitchName", ""))
    for each in api.pages("vpc", "DescribeVpcs", "Vpcs.Vpc", Tag=mine):
        yield Leftover("VPC", each["VpcId"], each.get("VpcName", ""))


def release(api: Api, ids: Sequence[str]) -> None:
    """Releases machines and waits until they are gone; one that is gone already is no error.

    Raises:
        ApiError: one stays.
    """
    if not ids:
        return  # an empty list of ids would ask for every machine of the account
    for each in ids:
        _until(lambda each=each: _delete_machine(api, each), f"machine {each} can't be released")  # type: ignore[misc]
    _until(
        lambda: not list(api.pages("ecs", "DescribeInstances", "Instances.Instance", InstanceIds=as_json(list(ids)))),
        f"machines {', '.join(ids)} are still there",
    )


def unmount(api: Api, stack: str, keep: str | None) -> None:
    """Deletes mount targets of the stack's file systems but `keep`: one made twice, for its answer was lost.

    The provider's own deletion of a mount target waits until its file system has none at all.
    """
    for files in api.pages("nas", "DescribeFileSystems", "FileSystems.FileSystem", Tag=tagged({STACK: stack})):
        whose = files["FileSystemId"]
        found = api.pages("nas", "DescribeMountTargets", "MountTargets.MountTarget", FileSystemId=whose)
        for domain in [each["MountTargetDomain"] for each in found]:
            if domain != keep:
                try:
                    api.call("nas", "DeleteMountTarget", FileSystemId=whose, MountTargetDomain=domain)
                except ApiError as error:
                    if "NotFound" not in error.code and "Status" not in error.code:
                        raise  # else it is on its way out already


def delete(api: Api, found: Sequence[Leftover], say: Callable[[str], None]) -> None:
    """Deletes leftovers, in the order given.

    Raises:
        ApiError: one stays.
    """
    rented = [each.id for each in found if each.kind == "machine"]
    if rented:
        say(f"releasing {len(rented)} machines")
        release(api, rented)
    for each in found:
        if each.kind != "machine":
            say(f"deleting {each}")
            _until(lambda each=each: _delete(api, each), f"{each} can't be deleted")  # type: ignore[misc]


def _delete_machine(api: Api, each: str) -> bool:
    try:
        api.call("ecs", "DeleteInstance", InstanceId=each, Force=True, TerminateSubscription=True)
    except ApiError as error:
        if error.code.startswith("InvalidInstanceId"):
            return True
        if error.code.startswith("IncorrectInstanceStatus"):
            return False  # it still boots
        raise
    return True


def _delete(api: Api, each: Leftover) -> bool:
    """Whether it is gone."""
    try:
        match each.kind:
            case "public address":
                api.call("vpc", "ReleaseEipAddress", AllocationId=each.id)
            case "file system":
                targets = api.pages("nas", "DescribeMountTargets", "MountTargets.MountTarget", FileSystemId=each.id)
                for target in list(targets):
                    domain = target["MountTargetDomain"]
                    api.call("nas", "DeleteMountTarget", FileSystemId=each.id, MountTargetDomain=domain)
                api.call("nas", "DeleteFileSystem", FileSystemId=each.id)
            case "access group":
                api.call("nas", "DeleteAccessGroup", AccessGroupName=each.id)
            case "key pair":
                api.call("ecs", "DeleteKeyPairs", KeyPairNames=as_json([each.id]))
            case "security group":
                api.call("ecs", "DeleteSecurityGroup", SecurityGroupId=each.id)
            case "vSwitch":
                api.call("vpc", "DeleteVSwitch", VSwitchId=each.id)
            case "VPC":
                api.call("vpc", "DeleteVpc", VpcId=each.id)
    except ApiError as error:
        if "NotFound" in error.code or "NotExist" in error.code:
            return True
        if "DependencyViolation" in error.code or "Incorrect" in error.code or "InvalidStatus" in error.code:
            return False  # what it depends on is on its way out
        raise
    return True


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ApiError("Timeout", f"{otherwise} after {GONE_SECONDS} s; see the console")
        time.sleep(POLL_SECONDS)


def _role(each: dict[str, object], key: str, value: str) -> str:
    tags = each.get("Tags")
    listed = tags.get("Tag") if isinstance(tags, dict) else None
    return next((str(tag.get(value)) for tag in listed or [] if tag.get(key) == ROLE), "")
