"""The doctor on the local cloud and on machines that exist: every planted fault, and nothing where nothing is wrong.

Real provider, real machines, the real engine; each fault is made as it comes about: by the cloud's API, by its
operator, or by a hand on a machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localcloud.cloud import daemon
from tests.support.account import OUTSIDER, PUBLIC, Account
from tests.support.deployment import Deployment
from tests.support.paths import ROOT
from tests.support.waiting import until
from toolchain.parts import all_parts

pytestmark = [
    pytest.mark.root,
    pytest.mark.engine,
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not all_parts()["alicloud"].present(), reason="the alicloud plugin is not built: make setup"),
]

WRONG = ("error", "warning")
LIMIT = 120
"""Seconds that a doctor may take."""


class Doctor:
    """Runs of the doctor on a deployment's stack."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def run(self) -> dict[str, Any]:
        """Its report, as JSON."""
        began = time.monotonic()
        file = str(self.deployment.config_file)
        done = subprocess.run(
            [sys.executable, "-m", "stacks.doctor", "test", "--json", "--config-file", file],
            cwd=ROOT,
            env=self.deployment.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert time.monotonic() - began < LIMIT
        assert "Traceback" not in done.stderr, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        errors = [each for each in report["findings"] if each["severity"] == "error"]
        assert done.returncode == (1 if errors else 0)
        print(
            json.dumps([each for each in report["findings"] if each["severity"] != "ok"], indent=1), report["seconds"]
        )
        return report


def up(deployment: Deployment) -> None:
    """Brings the stack up; beside other tests an engine takes its time."""
    deployment.write(deployment.config)
    words = ["up", "--yes", "--skip-preview", "--stack", "test", "--config-file", str(deployment.config_file)]
    deployment.pulumi(*words, timeout=1500).good()


def wrong(report: dict[str, Any]) -> set[tuple[str, str]]:
    """Id and place of what is wrong."""
    return {(each["id"], each["where"]) for each in report["findings"] if each["severity"] in WRONG}


def right(report: dict[str, Any]) -> set[str]:
    return {each["id"] for each in report["findings"] if each["severity"] == "ok"}


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    made = Account(tmp_path_factory.mktemp("account"))
    yield made
    made.close()


def on(account: Account, name: str, command: str) -> str:
    """A command on a rented machine, by the way that the stack tells."""
    ssh = account.outputs()["machines"][name]
    done = subprocess.run(
        ["bash", "-c", f"{ssh} bash -s"],
        input=command,
        env=account.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_account_in_which_nothing_is_rented(account):
    """Before the first `up`: settings and account are looked at, and nothing is wrong."""
    account.write(account.config)
    report = Doctor(account).run()
    assert wrong(report) == set()
    assert right(report) >= {f"account.{each}" for each in ("keys", "rights", "real_name", "balance", "quota", "stock")}


def test_nothing_is_found_where_nothing_is_wrong(account):
    up(account)
    report = Doctor(account).run()
    assert wrong(report) == set()
    assert len(right(report)) > 25


def test_every_planted_fault_and_no_other(account):
    """Fourteen faults at once, reported by two doctors at once."""
    machines = account.instances()
    node, peer, group = machines["node-0"], machines["node-1"], "SecurityGroupIds"
    inside = peer[group]["SecurityGroupId"][0]
    rule = {"IpProtocol": "tcp", "PortRange": "6000/7000", "SourceCidrIp": f"{OUTSIDER}/32"}
    account.call("ecs", "AuthorizeSecurityGroup", SecurityGroupId=inside, **rule)
    orphan = account.call(
        "ecs",
        "CreateSecurityGroup",
        VpcId=node["VpcAttributes"]["VpcId"],
        SecurityGroupName="tandem-test-old",
        Tag=[{"Key": "tandem-stack", "Value": "tandem-test"}],
    )["SecurityGroupId"]
    fetcher = machines["fetcher"]["InstanceId"]
    until(lambda: account.instances()["fetcher"]["Status"] == "Stopped", 60)
    account.call("ecs", "DeleteInstance", InstanceId=fetcher, Force=True)
    until(lambda: "fetcher" not in account.instances(), 60)
    daemon.ask(account.cloud, "POST", "account", {"balance": "12.00", "realName": "none"})
    daemon.ask(account.cloud, "POST", "release-at", {"instance": node["InstanceId"], "seconds": 5400})
    refused = {"status": 403, "code": "Forbidden.RAM", "message": "User not authorized to operate."}
    account.fault(kind="error", action="StopInstance", times=0, **refused)
    private = node["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
    on(
        account,
        "node-1",
        f"""
      set -e; apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install nftables >/dev/null
      mount -t tmpfs -o size=4m none /tmp; head -c 4190000 /dev/zero >/tmp/full
      umount -l /mnt/tandem
      docker create --label tandem.stack=tandem-test --name tandem-test-old "$(docker images -q | head -1)" x
      nft add table inet fault
      nft 'add chain inet fault out {{ type filter hook output priority 0; }}'
      nft 'add chain inet fault in {{ type filter hook input priority 0; }}'
      nft add rule inet fault out ip daddr {PUBLIC}.1 tcp dport 8600 reject with tcp reset
      nft add rule inet fault in ip saddr {private} numgen inc mod 10 0 drop
      kill -STOP "$(pgrep -f ray/_private/log_monitor.py | head -1)"
    """,
    )
    on(account, "node-0", "rm /mnt/tandem/models/*/generation_config.json")
    doctor = Doctor(account)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: doctor.run(), range(2)))
    for report in both:
        assert wrong(report) == {
            ("network.rules", "tandem-test-inside"),
            ("drift.account", f"security group {orphan} (tandem-test-old)"),
            ("drift.account", "fetcher-instance"),
            ("account.balance", "account"),
            ("account.real_name", "account"),
            ("account.release", "node-0"),
            ("account.rights", "RAM user"),
            ("machines.disk", "node-1"),
            ("storage.mounted", "node-1"),
            ("storage.weights", "node-0"),
            ("drift.serving", "node-1"),
            ("network.outside", "node-1"),
            ("network.loss", "node-0"),
            ("network.loss", "node-1"),  # one fault, seen from both ends
            ("serving.frozen", "node-1"),
        }
        assert all(each["cause"] and each["remedy"] for each in report["findings"] if each["severity"] in WRONG)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("hosts"), "tandemd", "10.86.0.0/24", ["node-0", "node-1"])
    yield made
    made.close()


def test_machines_that_exist_before_and_after_up(hosts):
    """Bare machines are looked at too; what isn't there yet is not called wrong."""
    hosts.write(hosts.config)
    assert wrong(Doctor(hosts).run()) == set()
    up(hosts)
    report = Doctor(hosts).run()
    assert wrong(report) == set()
    assert right(report) >= {"ports.firewall", "ports.closed", "serving.tokens", "serving.ranks", "storage.weights"}


def test_a_firewall_that_is_gone_a_clock_that_is_off_and_a_machine_that_does_not_answer(hosts):
    """Machines here share one kernel and its clock, so Python's own is put ten minutes ahead on one of them."""
    hosts.ssh("node-1", "nft delete table inet tandem_tandem-test")
    ahead = "import time; real = time.time; time.time = lambda: real() + 600"
    hosts.ssh("node-1", f"echo '{ahead}' >/usr/lib/python3/dist-packages/usercustomize.py")
    assert wrong(Doctor(hosts).run()) == {("ports.firewall", "node-1"), ("machines.clock", "node-1")}
    hosts.machine("node-1").stop()
    report = wrong(Doctor(hosts).run())
    assert {("machines.reached", "node-1"), ("serving.tokens", "serving")} <= report
    assert all(id_ in ("machines.reached", "serving.ranks") for id_, place in report if place == "node-1")
