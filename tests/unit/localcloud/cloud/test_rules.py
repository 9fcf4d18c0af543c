"""What the cloud refuses, and how; nothing answers with 500."""

import base64
import json
import random
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import faults
from localcloud.cloud.actions import ACTIONS, PRODUCTS
from localcloud.cloud.backend import MemoryBackend
from localcloud.cloud.model import Disk, Instance, NetworkInterface
from localcloud.cloud.model.fault import NAMED
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings
from tests.support.cloud_account import Account, error_code
from tests.support.cloud_world import World


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"InstanceType": "ecs.none.large"}, "InvalidInstanceType.ValueNotSupported"),
        ({"ImageId": "none"}, "InvalidImageId.NotFound"),
        ({"VSwitchId": "vsw-none"}, "InvalidVSwitchId.NotFound"),
        ({"SecurityGroupId": "sg-none"}, "InvalidSecurityGroupId.NotFound"),
        ({"KeyPairName": "none"}, "InvalidKeyPairName.NotFound"),
        ({"UserData": "&"}, "InvalidUserData.Base64FormatInvalid"),
        ({"UserData": base64.b64encode(b"x" * 32769).decode()}, "InvalidUserData.SizeExceeded"),
        ({"AutoReleaseTime": "2020-01-01T00:00:00Z"}, "InvalidParameter.AutoReleaseTime"),
        ({"AutoReleaseTime": "soon"}, "InvalidAutoReleaseTime.Malformed"),
        ({"PrivateIpAddress": "10.0.200.1"}, "InvalidPrivateIpAddress.Malformed"),
        ({"ZoneId": "cn-hangzhou-k"}, "InvalidParameter.Mismatch"),
        ({"SpotStrategy": "SpotWithPriceLimit", "SpotPriceLimit": 0.01}, "InvalidSpotPriceLimit.LowerThanPublicPrice"),
        ({"SystemDisk": {"Category": "tape"}}, "InvalidSystemDiskCategory.ValueNotSupported"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_and_leaves_nothing(world: World, wish: dict[str, Any], code: str) -> None:
    assert error_code(world.run, **wish) == code
    state = world.account.service.cloud.store
    assert not [kind for kind in (Instance, Disk, NetworkInterface) if state.all(kind)]


def test_dependencies_hold_in_the_clouds_order(world: World) -> None:
    """A machine holds group and vSwitch, a vSwitch and then a group hold the VPC."""
    [machine] = world.run()
    world.running(machine)
    assert error_code(world.call, "Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group) == "DependencyViolation"
    assert error_code(world.call, "Vpc", "DeleteVSwitch", VSwitchId=world.vswitch) == "DependencyViolation"
    assert error_code(world.call, "Vpc", "DeleteVpc", VpcId=world.vpc) == "DependencyViolation.VSwitch"
    assert error_code(world.call, "Ecs", "DeleteInstance", InstanceId=machine) == "IncorrectInstanceStatus"
    cloud = world.account.service.cloud
    cloud.settings = replace(cloud.settings, speed=10.0)  # half a second for what goes
    world.call("Ecs", "DeleteInstances", InstanceId=[machine], Force=True)
    world.gone(machine)
    cards = lambda: world.call("Ecs", "DescribeNetworkInterfaces")["NetworkInterfaceSets"]["NetworkInterfaceSet"]  # noqa: E731
    assert cards()[0]["Status"] == "Deleting"  # its interface outlives it for a while, and holds both
    assert error_code(world.call, "Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group) == "DependencyViolation"
    assert error_code(world.call, "Vpc", "DeleteVSwitch", VSwitchId=world.vswitch) == "DependencyViolation"
    world.account.wait(lambda: not cards())
    world.call("Vpc", "DeleteVSwitch", VSwitchId=world.vswitch)
    assert error_code(world.call, "Vpc", "DeleteVpc", VpcId=world.vpc) == "DependencyViolation.VSwitch"
    world.account.wait(lambda: not world.call("Vpc", "DescribeVSwitches")["VSwitches"]["VSwitch"])
    assert error_code(world.call, "Vpc", "DeleteVpc", VpcId=world.vpc) == "DependencyViolation.SecurityGroup"
    world.call("Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group)
    world.call("Vpc", "DeleteVpc", VpcId=world.vpc)
    world.account.wait(lambda: not world.call("Vpc", "DescribeVpcs")["Vpcs"]["Vpc"])
    assert error_code(world.call, "Vpc", "DescribeVpcAttribute", VpcId=world.vpc) == "InvalidVpcID.NotFound"


def test_a_group_that_another_groups_rule_names_stays(world: World) -> None:
    """In either direction, and until that rule goes."""
    other = world.call("Ecs", "CreateSecurityGroup", VpcId=world.vpc)["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "Policy": "accept"}
    inward, outward = ({**rule, f"{end}GroupId": world.group} for end in ("Source", "Dest"))
    for action, named in (("", inward), ("Egress", outward)):
        world.call("Ecs", f"AuthorizeSecurityGroup{action}", SecurityGroupId=other, Permissions=[named])
        code = error_code(world.call, "Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group)
        assert code == "DependencyViolation"
        world.call("Ecs", f"RevokeSecurityGroup{action}", SecurityGroupId=other, Permissions=[named])
    world.call("Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group)


def test_a_client_token_makes_one_gang_of_two_calls(world: World) -> None:
    first = world.run(Amount=3, ClientToken="t")
    assert world.run(Amount=3, ClientToken="t") == first
    assert error_code(world.run, Amount=2, ClientToken="t") == "IdempotentParameterMismatch"
    assert len(world.running(*first)) == 3


def test_stock_is_for_the_whole_gang(world: World) -> None:
    world.account.admin("stock", zone="cn-hangzhou-b", type="ecs.g7.large", left=2)
    assert error_code(world.run, Amount=3) == "OperationDenied.NoStock"
    assert not world.account.service.cloud.store.all(Instance)
    machines = world.run(Amount=2)
    wish = {"DestinationResource": "InstanceType", "InstanceType": "ecs.g7.large"}
    zones = world.call("Ecs", "DescribeAvailableResource", **wish)["AvailableZones"]["AvailableZone"]
    assert {zone["ZoneId"]: zone["Status"] for zone in zones}["cn-hangzhou-b"] == "SoldOut"
    world.running(*machines)
    world.call("Ecs", "DeleteInstances", InstanceId=machines, Force=True)
    world.gone(*machines)
    assert len(world.run(Amount=2)) == 2


def test_group_rules_become_a_firewall_by_priority(world: World, backend: MemoryBackend) -> None:
    """Smaller priority first, drop before accept, then the members of the group; a group as source is its addresses."""
    other = world.call("Ecs", "CreateSecurityGroup", VpcId=world.vpc)["SecurityGroupId"]
    [machine], [friend] = world.run(), world.run(SecurityGroupId=other)
    world.running(machine, friend)
    rules = [
        {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "1.2.3.0/24", "Priority": "9"},
        {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "1.2.3.4/32", "Priority": "9", "Policy": "drop"},
        {"IpProtocol": "all", "PortRange": "-1/-1", "SourceGroupId": other, "Priority": "1"},
    ]
    world.call("Ecs", "AuthorizeSecurityGroup", SecurityGroupId=world.group, Permissions=rules)
    addresses = {
        one["InstanceId"]: one["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
        for one in world.seen(machine, friend)
    }
    lines = [(line.accept, line.ports, line.peers) for line in backend.firewalls[machine]]
    assert lines == [
        (True, None, (f"{addresses[friend]}/32",)),
        (False, (22, 22), ("1.2.3.4/32",)),
        (True, (22, 22), ("1.2.3.0/24",)),
        (True, None, (f"{addresses[machine]}/32",)),
    ]


def test_pages_hold_everything_once(world: World) -> None:
    machines = world.run(Amount=23)
    found, token = [], ""
    while True:
        more = {"NextToken": token} if token else {}
        answer = world.call("Ecs", "DescribeInstances", MaxResults=10, **more)
        found += [one["InstanceId"] for one in answer["Instances"]["Instance"]]
        token = answer["NextToken"]
        if not token:
            break
    assert found == machines
    numbered = [
        world.call("Ecs", "DescribeInstances", PageNumber=n, PageSize=10)["Instances"]["Instance"] for n in (1, 3)
    ]
    assert [len(page) for page in numbered] == [10, 3]


@pytest.mark.parametrize("kind", [kind for kind in NAMED if kind != "unavailable"])
def test_an_ordered_fault_strikes_once_with_the_clouds_code(world: World, kind: str) -> None:
    faults.order(world.account.service.cloud.store, {"kind": kind, "action": "RunInstances"})
    assert error_code(world.run) == NAMED[kind][1]
    assert len(world.run()) == 1


def test_out_of_stock_after_the_second_machine(world: World) -> None:
    faults.order(world.account.service.cloud.store, {"kind": "no-stock", "after": 2})
    world.run()
    world.run()
    assert error_code(world.run) == "OperationDenied.NoStock"


def test_a_lost_answer_leaves_the_machine_and_its_token_finds_it(world: World) -> None:
    faults.order(world.account.service.cloud.store, {"kind": "lost", "action": "RunInstances"})
    with pytest.raises(Exception, match=r"."):
        world.run(ClientToken="mine")
    [lost] = [one.key for one in world.account.service.cloud.store.all(Instance)]
    assert world.run(ClientToken="mine") == [lost]


def test_a_reclaimed_machine_is_warned_and_then_gone(world: World) -> None:
    [machine] = world.run(SpotStrategy="SpotAsPriceGo")
    world.running(machine)
    world.account.admin("reclaim", instance=machine, seconds=0.5)
    locks = world.seen(machine)[0]["OperationLocks"]["LockReason"]
    assert [lock["LockReason"] for lock in locks] == ["Recycling"]
    world.gone(machine)


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Also a machine whose boot was cut short by the server's end comes up."""
    settings = Settings.load(tmp_path, {"backend": "memory", "speed": 5.0})
    first = Service(tmp_path, settings, MemoryBackend())
    first.start()
    world = World(Account(first))
    [machine] = world.run()
    assert world.seen(machine)[0]["Status"] == "Pending"
    first.cloud._pool.shutdown(wait=False, cancel_futures=True)  # the end of a process that was killed
    first.server.shutdown()
    first.server.server_close()
    copy = tmp_path / "later"
    copy.mkdir()
    for file in tmp_path.glob("s*.*"):
        (copy / file.name).write_bytes(file.read_bytes())
    second = Service(copy, Settings.load(copy, {"speed": 200.0}), MemoryBackend())
    second.start()
    world.account, world.call = Account(second), Account(second).call
    assert world.running(machine)[0]["InstanceId"] == machine
    second.stop()
    first.cloud.close()


def ask(service: Service, scheme: str = "http", **values: str) -> tuple[int, dict[str, Any]]:
    """An unsigned call; status and answer."""
    context = ssl.create_default_context(cafile=str(service.authority)) if scheme == "https" else None
    url = f"{scheme}://{service.cloud.endpoint}/?{urllib.parse.urlencode(values)}"
    try:
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_both_schemes_answer_on_one_port(service: Service, scheme: str) -> None:
    status, answer = ask(service, scheme, Action="DescribeVpcs", Version="2016-04-28")
    assert (status, answer["Code"]) == (400, "MissingParameter")
    assert {"RequestId", "HostId", "Message"} <= set(answer)


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"Action": "Nothing", "Version": "2014-05-26"}, 404, "InvalidAction.NotFound"),
        ({"Action": "DescribeVpcs", "Version": "1999-01-01"}, 400, "InvalidVersion"),
        ({"Version": "2014-05-26"}, 400, "MissingParameter"),
        (
            {"Action": "DescribeVpcs", "Version": "2016-04-28", "Signature": "x", "AccessKeyId": "y"},
            404,
            "InvalidAccessKeyId.NotFound",
        ),
    ],
)
def test_calls_that_name_nothing_are_refused(service: Service, values: dict[str, str], status: int, code: str) -> None:
    found, answer = ask(service, **values)
    assert (found, answer["Code"]) == (status, code)


def test_a_clock_that_is_off_is_refused(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC) + timedelta(minutes=20)
    monkeypatch.setattr("localcloud.cloud.signature.time.time", late.timestamp)
    assert error_code(account.call, "Vpc", "DescribeVpcs") == "InvalidTimeStamp.Expired"


@pytest.mark.long  # thousands of calls
def test_no_parameters_however_odd_lead_to_500(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every action with every parameter of a small pool of odd values: refused or answered, never a fault of ours."""
    monkeypatch.setattr("localcloud.cloud.signature.check", lambda *_: "someone")
    odd = ["", "-1", "[", "[1]", "{}", "x", "0", "vpc-none", "9" * 30, "ü", "10.0.0.0/99", "2026-13-01T00:00:00Z"]
    names = [
        "VpcId",
        "CidrBlock",
        "InstanceIds",
        "PageSize",
        "PageNumber",
        "Amount",
        "MaxResults",
        "NextToken",
        "Tag.1.Key",
        "Permissions.1.PortRange",
        "Permissions.x.IpProtocol",
        "SystemDisk.Size",
        "UserData",
        "KeyPairNames",
        "DiskIds",
        "AutoReleaseTime",
        "SpotPriceLimit",
        "Memory",
        "Capacity",
        "SourceCidrIp",
        "ResourceType",
        "InstanceType",
        "ResourceId.1",
        "PublicKeyBody",
        "KeyPairName",
        "ImageId",
        "ZoneId",
        "VSwitchId",
        "PriceUnit",
        "SpotStrategy",
    ]
    choose = random.Random(7)  # noqa: S311 - the same values each time
    versions = {product: version for version, product in PRODUCTS.items()}
    faulty = []
    for product, action in ACTIONS:
        for _ in range(12):
            values = {name: choose.choice(odd) for name in choose.sample(names, 12)}
            values.update(Action=action, Version=versions[product])
            if ask(service, **values)[0] >= 500:
                faulty.append((product, action, values))
    assert not faulty
