"""What carries a tag is found by it, page by page, with Alibaba's own clients: what a sweep relies on."""

from functools import partial

import pytest

from localcloud.cloud.model import Problem
from localcloud.cloud.resources import tags
from tests.support.cloud_account import Account
from tests.support.cloud_calls import PUBLIC_KEY
from tests.support.cloud_world import IMAGE, World

MINE, THEIRS = [{"Key": "stack", "Value": "mine"}], [{"Key": "stack", "Value": "theirs"}]
# Product, kind of ListTagResources, action that lists by tag, path of its list, field of the id.
KINDS = [
    ("Ecs", "instance", "DescribeInstances", "Instances.Instance", "InstanceId"),
    ("Ecs", "disk", "DescribeDisks", "Disks.Disk", "DiskId"),
    ("Ecs", "eni", "DescribeNetworkInterfaces", "NetworkInterfaceSets.NetworkInterfaceSet", "NetworkInterfaceId"),
    ("Ecs", "securitygroup", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", "SecurityGroupId"),
    ("Ecs", "keypair", "DescribeKeyPairs", "KeyPairs.KeyPair", "KeyPairName"),
    ("Vpc", "VPC", "DescribeVpcs", "Vpcs.Vpc", "VpcId"),
    ("Vpc", "VSWITCH", "DescribeVSwitches", "VSwitches.VSwitch", "VSwitchId"),
    ("Vpc", "EIP", "DescribeEipAddresses", "EipAddresses.EipAddress", "AllocationId"),
    ("NAS", "filesystem", "DescribeFileSystems", "FileSystems.FileSystem", "FileSystemId"),
]
EACH = 3


def _available(account: Account, vpc: str) -> bool:
    return bool(account.call("Vpc", "DescribeVpcAttribute", VpcId=vpc)["Status"] == "Available")


@pytest.fixture
def tagged(account: Account) -> Account:
    """Three of everything with the tag, and one of everything that has another's. RunInstances tags disks and cards."""
    world, call = World(account), account.call
    for number in range(EACH + 1):
        tag = MINE if number < EACH else THEIRS
        vpc = call("Vpc", "CreateVpc", CidrBlock="10.1.0.0/16", Tag=tag)["VpcId"]
        account.wait(partial(_available, account, vpc))
        where = {"VpcId": vpc, "ZoneId": "cn-hangzhou-b", "CidrBlock": "10.1.0.0/24"}
        call("Vpc", "CreateVSwitch", **where, Tag=tag)
        call("Vpc", "AllocateEipAddress", Tag=tag)
        call("Ecs", "CreateSecurityGroup", VpcId=vpc, Tag=tag)
        call("Ecs", "ImportKeyPair", KeyPairName=f"pair{number}", PublicKeyBody=PUBLIC_KEY, Tag=tag)
        call("NAS", "CreateFileSystem", StorageType="Performance", ProtocolType="NFS", Tag=tag)
        world.run(Tag=tag, ImageId=IMAGE)
    return account


def test_each_kind_is_found_by_tag_over_pages(tagged: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own list and by ListTagResources, two a page: exactly the three, once each."""
    monkeypatch.setattr(tags, "LISTED", 2)  # ECS lets no caller choose it
    for product, kind, action, path, field in KINDS:
        outer, inner = path.split(".")
        numbered: list[str] = []
        for number in (1, 2, 3):
            answer = tagged.call(product, action, Tag=MINE, PageNumber=number, PageSize=2)
            numbered += [one[field] for one in answer[outer][inner]]
        assert len(numbered) == len(set(numbered)) == EACH, kind

        listed, token = [], ""
        while True:
            more = {"NextToken": token} if token else {}
            answer = tagged.call(product, "ListTagResources", ResourceType=kind, Tag=MINE, **more)
            entries = answer["TagResources"]["TagResource"]
            assert len(entries) <= 2
            listed += [one["ResourceId"] for one in entries]
            if not (token := answer["NextToken"]):
                break
        assert sorted(listed) == sorted(numbered), kind
    assert not tagged.unknown


def test_a_sweep_needs_no_value_and_sees_a_booting_machine(tagged: Account) -> None:
    """A filter by key alone finds both stacks; a machine is found from the very answer of RunInstances."""
    both = tagged.call("Ecs", "DescribeInstances", Tag=[{"Key": "stack"}], PageSize=10)["Instances"]["Instance"]
    assert len(both) == EACH + 1
    faulty = tagged.service.cloud.store.all(Problem)
    assert not faulty
