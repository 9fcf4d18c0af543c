"""An empty account to a URL and back, on the local cloud: real provider, real machines, real firewalls.

One deployment is changed step by step, so the tests run in this order. No account and no GPU are here:
the cloud is localcloud/cloud, the accelerator `cpu`.
"""

from __future__ import annotations

import base64
import json
import subprocess
from concurrent.futures import ProcessPoolExecutor

import pytest

from components.alicloud.api import ApiError
from components.alicloud.leftovers import leftovers
from localcloud.cloud import daemon, user_data
from localcloud.machines import Site
from tests.support.account import OUTSIDER, PUBLIC, Account
from tests.support.deployment import chat
from tests.support.portscan import open_ports
from tests.support.waiting import until
from toolchain.parts import all_parts

pytestmark = [
    pytest.mark.root,
    pytest.mark.engine,
    pytest.mark.skipif(not all_parts()["alicloud"].present(), reason="the alicloud plugin is not built: make setup"),
]

ADMIN = f"{PUBLIC}.1"
SSH, SERVING = 22, 8000


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    made = Account(tmp_path_factory.mktemp("account"))
    yield made
    made.close()


def address(account: Account, name: str) -> str:
    machine = account.instances()[name]
    return str(machine["EipAddress"]["IpAddress"] or machine["PublicIpAddress"]["IpAddress"][0])


def scan(pair: tuple[str, str]) -> set[int]:
    """Every port of (address) as (source) sees it."""
    return open_ports(pair[0], source=pair[1])


def answers(account: Account) -> bool:
    out = account.outputs()
    return bool(chat(out, out["model"]).said)


def test_an_empty_account_becomes_a_url_that_answers(account):
    """No candidate but the second has stock; the fetcher rests when the weights are there."""
    stock = {"zone": "cn-hangzhou-h", "type": "ecs.g7.large"}
    daemon.ask(account.cloud, "POST", "stock", {**stock, "left": 0})
    run = account.up().good()
    assert "2 x ecs.g7.large in cn-hangzhou-i: in stock (cn-hangzhou-h has no ecs.g7.large" in run.text
    assert answers(account)
    machines = account.instances()
    assert {name: machine["ZoneId"] for name, machine in machines.items()} == {
        "fetcher": "cn-hangzhou-h",
        "node-0": "cn-hangzhou-i",
        "node-1": "cn-hangzhou-i",
    }
    until(lambda: account.instances()["fetcher"]["Status"] == "Stopped", 30)
    daemon.ask(account.cloud, "POST", "stock", {**stock, "left": None})


def test_nothing_changes_when_nothing_changed(account):
    """Also not the zone, although the first candidate has stock again."""
    assert account.up().good().changed() == set()


def test_no_key_of_a_machine_stands_in_clear(account):
    state = "\n".join(p.read_text(errors="replace") for p in (account.folder / "stacks").rglob("*") if p.is_file())
    assert "PRIVATE KEY" not in state
    assert account.outputs()["apiKey"] not in state
    assert account.status["secretKey"] not in state


def test_the_key_that_user_data_shows_is_no_machines_host_key(account):
    """Who reads user data from the API, or on the machine, can't pass for the machine."""
    for name in ("node-0", "node-1"):
        data = account.call("ecs", "DescribeUserData", InstanceId=account.instances()[name]["InstanceId"])["UserData"]
        given = user_data.parse(base64.b64decode(data).decode()).host_key
        words = ["ssh-keyscan", "-t", "ed25519", address(account, name)]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[2]
        assert given and shown != given[1].split()[1], name


def deleted(account: Account, group: str) -> bool:
    try:
        account.call("ecs", "DeleteSecurityGroup", SecurityGroupId=group)
    except ApiError as error:
        assert error.code == "DependencyViolation"
        return False
    return True


@pytest.mark.long
def test_a_third_machine_of_the_vpc_reaches_what_the_outside_does(account):
    """In the same vSwitch, with a group of its own: every port of both machines."""
    node = account.instances()["node-0"]
    network = node["VpcAttributes"]
    group = account.call("ecs", "CreateSecurityGroup", VpcId=network["VpcId"])["SecurityGroupId"]
    made = account.call(
        "ecs",
        "RunInstances",
        ImageId=node["ImageId"],
        InstanceType=node["InstanceType"],
        SecurityGroupId=group,
        VSwitchId=network["VSwitchId"],
        InstanceName="tandem-test-third",
    )["InstanceIdSets"]["InstanceIdSet"][0]
    until(lambda: account.instances()["third"]["Status"] == "Running", 60)
    namespace = Site(account.cloud / "machines").machine(made).paths.netns
    seen = {}
    for name in ("node-0", "node-1"):
        inside = account.instances()[name]["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
        seen[name] = open_ports(inside, namespace=namespace)
    account.call("ecs", "DeleteInstance", InstanceId=made, Force=True)
    until(lambda: "third" not in account.instances(), 60)
    until(lambda: deleted(account, group), 60)  # its network interface goes after the machine
    assert seen == {"node-0": {SERVING}, "node-1": set()}


@pytest.mark.long  # every port of three machines from two places
def test_from_outside_only_the_serving_port_and_ssh_for_administrators(account):
    """Every port of every machine; a rule opened by hand is found, so the scan can fail."""
    account.call("ecs", "StartInstance", InstanceId=account.instances()["fetcher"]["InstanceId"])
    until(lambda: account.instances()["fetcher"]["Status"] == "Running", 60)
    names = ("node-0", "node-1", "fetcher")
    until(lambda: open_ports(address(account, "fetcher"), [SSH]), 60)
    pairs = [(name, source) for name in names for source in (ADMIN, OUTSIDER)]
    # A process each: a scan waits most of its time, and a process has only so many descriptors.
    with ProcessPoolExecutor(len(pairs)) as scans:
        found = scans.map(scan, [(address(account, name), source) for name, source in pairs])
        seen = dict(zip(pairs, found, strict=True))
    assert seen == {
        ("node-0", ADMIN): {SSH, SERVING},
        ("node-0", OUTSIDER): {SERVING},
        ("node-1", ADMIN): {SSH},
        ("node-1", OUTSIDER): set(),
        ("fetcher", ADMIN): {SSH},
        ("fetcher", OUTSIDER): set(),
    }
    group = {"SecurityGroupId": account.instances()["node-1"]["SecurityGroupIds"]["SecurityGroupId"][0]}
    rule = {**group, "IpProtocol": "tcp", "PortRange": "6000/7000", "SourceCidrIp": "0.0.0.0/0"}
    account.call("ecs", "AuthorizeSecurityGroup", **rule)
    assert open_ports(address(account, "node-0"), source=OUTSIDER) > {SERVING}
    account.call("ecs", "RevokeSecurityGroup", **rule)


@pytest.mark.long  # test_security_rules.py does it without machines
def test_a_rule_that_was_taken_away_is_put_back(account):
    group = next(g for g in groups(account) if g["SecurityGroupName"].endswith("-front"))
    rule = {"IpProtocol": "tcp", "PortRange": f"{SERVING}/{SERVING}", "SourceCidrIp": f"{PUBLIC}.0/24"}
    answer = account.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group["SecurityGroupId"])
    rule = {k: answer["Permissions"]["Permission"][0][k] for k in ("IpProtocol", "PortRange", "SourceCidrIp")}
    account.call("ecs", "RevokeSecurityGroup", SecurityGroupId=group["SecurityGroupId"], **rule)
    said = account.pulumi("refresh", "--yes", "--stack", "test", "--config-file", str(account.config_file)).good()
    assert "network-gateway-0 delete" in said.text
    assert account.up().good().changed() == {"network-gateway-0"}
    assert answers(account)


def groups(account: Account) -> list[dict]:
    return list(account.api().pages("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup"))


@pytest.mark.long  # a whole engine starts anew
def test_a_machine_that_was_released_is_rented_again(account):
    """Spot reclaim and a hand in the console look the same: the machine is gone. The other stays as it is."""
    before = account.instances()
    account.call("ecs", "DeleteInstance", InstanceId=before["node-1"]["InstanceId"], Force=True)
    until(lambda: "node-1" not in account.instances(), 60)
    said = account.pulumi(
        "refresh",
        "--yes",
        "--target",
        "**alicloud:ecs/instance:Instance::**",
        "--stack",
        "test",
        "--config-file",
        str(account.config_file),
    ).good()
    assert "node-1-instance delete" in said.text
    changed = account.up().good().changed()
    assert "node-1-instance" in changed
    assert not {name for name in changed if name.startswith("node-0-") and name.endswith(("-instance", "prepare-run"))}
    after = account.instances()
    assert after["node-0"]["InstanceId"] == before["node-0"]["InstanceId"]
    assert after["node-1"]["InstanceId"] != before["node-1"]["InstanceId"]
    assert answers(account)


def test_a_machine_in_no_state_goes_with_the_others(account):
    """An orphan of a creation that was cut off: same tags, unknown to the state; destroy gives it back."""
    node = account.instances()["node-1"]
    tags = [{"Key": t["TagKey"], "Value": t["TagValue"]} for t in node["Tags"]["Tag"]]
    account.call(
        "ecs",
        "RunInstances",
        ImageId=node["ImageId"],
        InstanceType=node["InstanceType"],
        Tag=tags,
        VSwitchId=node["VpcAttributes"]["VSwitchId"],
        SecurityGroupId=node["SecurityGroupIds"]["SecurityGroupId"][0],
        InstanceName="tandem-test-orphan",
        ZoneId=node["ZoneId"],
    )
    until(lambda: account.instances()["orphan"]["Status"] == "Running", 60)
    said = account.destroy().good()
    assert "nothing left" in said.text
    assert account.instances() == {}
    assert leftovers(account.api(), "tandem-test") == []
    state = json.loads((account.folder / "stacks/.pulumi/stacks/tandem/test.json").read_text())
    assert not state["checkpoint"]["latest"].get("resources")
