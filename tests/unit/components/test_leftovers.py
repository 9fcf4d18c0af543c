"""The sweep against the local cloud without machines: everything that a stack can hold goes, whatever it hangs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.alicloud import leftovers as module
from components.alicloud.api import Api, ApiError
from components.alicloud.leftovers import WEIGHTS, Leftover, delete, leftovers, unmount
from localcloud.cloud.model import AccessGroup, Eip, FileSystem, Instance, MountTarget, SecurityGroup, Vpc, VSwitch
from localcloud.cloud.service import Service

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"
STACK = "proj-test"
TAGS = [{"Key": "tandem-stack", "Value": STACK}]


def file_system(api: Api, kind: str, role: str = "", **more: Any) -> str:
    wish = {"StorageType": "standard" if kind == "extreme" else "Performance", "ProtocolType": "NFS", **more}
    tags = [*TAGS, *([{"Key": "tandem-role", "Value": role}] if role else [])]
    capacity = {"Capacity": 100} if kind == "extreme" else {}
    made = api.call("nas", "CreateFileSystem", FileSystemType=kind, ZoneId="cn-hangzhou-h", **capacity, **wish)
    if not more:
        api.call("nas", "TagResources", ResourceType="filesystem", ResourceId=[made["FileSystemId"]], Tag=tags)
    return str(made["FileSystemId"])


def whole_stack(api: Api, settled: Callable[[], None]) -> dict[str, str]:
    """A stack with every kind of NAS, a machine with its own address, and a file system of somebody else's."""
    vpc = api.call("vpc", "CreateVpc", CidrBlock="10.0.0.0/16", Tag=TAGS)["VpcId"]
    settled()
    where = {"VpcId": vpc, "Tag": TAGS}
    vswitch = api.call("vpc", "CreateVSwitch", ZoneId="cn-hangzhou-h", CidrBlock="10.0.1.0/24", **where)["VSwitchId"]
    second = api.call("vpc", "CreateVSwitch", ZoneId="cn-hangzhou-i", CidrBlock="10.0.2.0/24", **where)["VSwitchId"]
    group = api.call("ecs", "CreateSecurityGroup", **where)["SecurityGroupId"]
    files = {
        "standard": file_system(api, "standard"),
        "extreme": file_system(api, "extreme"),
        "kept": file_system(api, "standard", WEIGHTS),
        "adopted": file_system(api, "standard", Description="theirs"),
    }
    for kind in ("standard", "extreme"):
        api.call("nas", "CreateAccessGroup", AccessGroupName=STACK, AccessGroupType="Vpc", FileSystemType=kind)
    settled()
    for name, key in files.items():
        targets = [STACK] if name in ("kept", "extreme", "adopted") else [STACK, "DEFAULT_VPC_GROUP_NAME"]
        for guard in targets:
            api.call(
                "nas",
                "CreateMountTarget",
                FileSystemId=key,
                AccessGroupName=guard,
                NetworkType="Vpc",
                VpcId=vpc,
                VSwitchId=vswitch,
            )
    machine = api.call(
        "ecs",
        "RunInstances",
        ImageId=IMAGE,
        InstanceType="ecs.g7.large",
        VSwitchId=second,
        SecurityGroupId=group,
        Tag=TAGS,
    )["InstanceIdSets"]["InstanceIdSet"][0]
    settled()
    eip = api.call("vpc", "AllocateEipAddress", InternetChargeType="PayByTraffic", Tag=TAGS)["AllocationId"]
    api.call("vpc", "AssociateEipAddress", AllocationId=eip, InstanceId=machine)
    return files


def test_the_sweep_empties_a_stack_of_everything(api: Api, service: Service, settled: Callable[[], None]) -> None:
    """NAS of all kinds with mount targets, an associated address, two vSwitches; others' file systems stay."""
    files = whole_stack(api, settled)
    service.cloud.settings = replace(service.cloud.settings, speed=10.0)  # half a second for each deletion
    rest = [each for each in leftovers(api, STACK) if each.role != WEIGHTS]
    said: list[str] = []
    delete(api, STACK, rest, said.append)
    assert leftovers(api, STACK) == [Leftover("file system", files["kept"], role=WEIGHTS)]
    store = service.cloud.store
    assert {each.key for each in store.all(FileSystem)} == {files["kept"], files["adopted"]}
    empty = (Instance, Eip, MountTarget, AccessGroup, SecurityGroup, VSwitch, Vpc)
    assert not [kind for kind in empty if store.all(kind)]
    assert f"deleting access group {STACK} (extreme)" in said


def test_what_is_held_for_ever_is_reported_with_the_clouds_last_words(
    api: Api, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_SECONDS", 0.3)
    vpc = api.call("vpc", "CreateVpc", CidrBlock="10.0.0.0/16", Tag=TAGS)["VpcId"]
    settled()
    api.call("vpc", "CreateVSwitch", VpcId=vpc, ZoneId="cn-hangzhou-h", CidrBlock="10.0.1.0/24")
    with pytest.raises(ApiError, match=rf"VPC {vpc} can't be deleted after 0.3 s \(DeleteVpc was refused: Dependency"):
        delete(api, STACK, leftovers(api, STACK), lambda _: None)


def test_of_mount_targets_only_the_stacks_own_go(api: Api, service: Service, settled: Callable[[], None]) -> None:
    """Another deployment may have its own of the same file system."""
    files = whole_stack(api, settled)
    api.call("nas", "CreateAccessGroup", AccessGroupName="other", AccessGroupType="Vpc")
    theirs = api.call(
        "nas",
        "CreateMountTarget",
        FileSystemId=files["kept"],
        AccessGroupName="other",
        NetworkType="Vpc",
        VSwitchId=service.cloud.store.all(VSwitch)[0].key,
    )["MountTargetDomain"]
    settled()
    own = next(
        target.key
        for target in service.cloud.store.all(MountTarget)
        if (target.file_system, target.access_group) == (files["standard"], STACK)
    )
    unmount(api, STACK, own)
    settled()
    left = {target.key: target.access_group for target in service.cloud.store.all(MountTarget)}
    assert left.pop(own) == STACK and left.pop(theirs) == "other"
    assert set(left.values()) == {"DEFAULT_VPC_GROUP_NAME"}
