"""The local cloud with real machines: boot, addresses, firewall, names, folders, release."""

import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.cloud.admin import Admin
from localcloud.cloud.real_backend import RealBackend
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings
from tests.unit.localcloud_api.conftest import Account, Refused

pytestmark = pytest.mark.root

PUBLIC = "100.65.77.0/24"
HOST = "100.65.77.1"  # this host as machines see it: the outside
SERVE = "systemd-run --unit=web python3 -m http.server 8000"


class Deployment:
    """A VPC with two vSwitches, a group, a file system and a key pair, as every test needs them."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.account = Account(service)
        self.folder = folder
        for name, kind in (("key", "ecdsa"), ("host", "ed25519")):  # of the types that an import takes, ecdsa is quick
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / name], check=True)
        call, wait = self.account.call, self.account.wait
        self.vpc = call("Vpc", "CreateVpc", CidrBlock="10.93.0.0/16")["VpcId"]
        wait(lambda: call("Vpc", "DescribeVpcAttribute", VpcId=self.vpc)["Status"] == "Available")
        zones = {"cn-hangzhou-h": "10.93.1.0/24", "cn-hangzhou-i": "10.93.2.0/24"}
        self.vswitches = [
            call("Vpc", "CreateVSwitch", VpcId=self.vpc, ZoneId=zone, CidrBlock=cidr)["VSwitchId"]
            for zone, cidr in zones.items()
        ]
        self.group = call("Ecs", "CreateSecurityGroup", VpcId=self.vpc)["SecurityGroupId"]
        self.allow(22, f"{HOST}/32")
        call("Ecs", "ImportKeyPair", KeyPairName="kk", PublicKeyBody=(folder / "key.pub").read_text())

    def rule(self, port: int, cidr: str) -> dict[str, str]:
        return {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": cidr, "Policy": "accept"}

    def allow(self, port: int, cidr: str) -> None:
        rules = [self.rule(port, cidr)]
        self.account.call("Ecs", "AuthorizeSecurityGroup", SecurityGroupId=self.group, Permissions=rules)

    def forbid(self, port: int, cidr: str) -> None:
        rules = [self.rule(port, cidr)]
        self.account.call("Ecs", "RevokeSecurityGroup", SecurityGroupId=self.group, Permissions=rules)

    def run(self, vswitch: str, bandwidth: int) -> str:
        keys = {name: (self.folder / name).read_text() for name in ("host", "host.pub")}
        wish = {
            "ssh_keys": {"ed25519_private": keys["host"], "ed25519_public": keys["host.pub"]},
            "write_files": [{"path": "/etc/marker", "content": "m", "permissions": "0600"}],
            "runcmd": [["touch", "/root/a b"], "echo once >> /root/ran", SERVE],
        }
        data = base64.b64encode(f"#cloud-config\n{yaml.safe_dump(wish)}".encode()).decode()
        answer = self.account.call(
            "Ecs", "RunInstances", ImageId="debian_12_9_x64_20G_alibase_20260901.vhd", InstanceType="ecs.g7.large",
            VSwitchId=vswitch, SecurityGroupId=self.group, KeyPairName="kk", UserData=data,
            InternetMaxBandwidthOut=bandwidth,
        )  # fmt: skip
        return str(answer["InstanceIdSets"]["InstanceIdSet"][0])

    def seen(self, machine: str) -> dict[str, Any]:
        found = self.account.call("Ecs", "DescribeInstances", InstanceIds=json.dumps([machine]))
        return dict((found["Instances"]["Instance"] or [{"Status": "gone"}])[0])

    def until(self, machine: str, status: str) -> dict[str, Any]:
        self.account.wait(lambda: self.seen(machine)["Status"] == status, 60)
        return self.seen(machine)

    def ssh(self, address: str, command: str) -> str:
        known = self.folder / "known_hosts"
        known.write_text(f"{address} {(self.folder / 'host.pub').read_text()}")
        options = ["-i", str(self.folder / "key"), "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes"]
        words = ["ssh", *options, "-o", "StrictHostKeyChecking=yes", f"root@{address}", command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = Settings.load(tmp_path, {"public_network": PUBLIC})
    service = Service(tmp_path, settings)
    service.start()
    yield service
    service.stop()
    RealBackend(tmp_path, PUBLIC).wipe()


def opens(address: str, port: int, seconds: float = 1.0) -> bool:
    """Whether a TCP connection from this host is accepted in time."""
    try:
        socket.create_connection((address, port), seconds).close()
    except OSError:
        return False
    return True


def test_a_deployment_lives_on_real_machines(service: Service, tmp_path: Path) -> None:
    """From RunInstances to release: each promise of the API is looked at on the machine or from outside."""
    world = Deployment(service, tmp_path)
    call, wait = world.account.call, world.account.wait
    system = call("NAS", "CreateFileSystem", StorageType="Performance", ProtocolType="NFS")["FileSystemId"]
    call("NAS", "CreateAccessGroup", AccessGroupName="agr", AccessGroupType="Vpc")
    call("NAS", "CreateAccessRule", AccessGroupName="agr", SourceCidrIp="10.93.0.0/16")

    machines = [world.run(vswitch, bandwidth) for vswitch, bandwidth in zip(world.vswitches, (5, 0), strict=True)]
    seen = [world.until(machine, "Running") for machine in machines]
    private = [one["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0] for one in seen]
    public = seen[0]["PublicIpAddress"]["IpAddress"][0]
    assert [address.rsplit(".", 1)[0] for address in private] == ["10.93.1", "10.93.2"]

    # The public address answers, with the host key of the user data, after user data ran once.
    wait(lambda: opens(public, 22), 30)
    wait(lambda: "web" in world.ssh(public, "systemctl list-units web.service --no-legend"), 20)
    said = world.ssh(public, "hostname; cat /root/ran; stat -c %a /etc/marker; ls '/root/a b'; hostname -I")
    assert said.split("\n")[:4] == [seen[0]["HostName"], "once", "600", "/root/a b"]
    assert private[0] in said

    # Only what the group allows: from outside nothing else, inside members reach each other over vSwitches.
    assert not opens(public, 8000)
    assert not opens(private[0], 8000)
    assert not opens(private[1], 22)
    world.ssh(public, f"timeout 5 bash -c '</dev/tcp/{private[1]}/8000'")
    world.allow(8000, "0.0.0.0/0")
    assert opens(public, 8000)
    world.forbid(8000, "0.0.0.0/0")
    assert not opens(public, 8000)

    # The file system: its name resolves, it mounts, and files are shared.
    running = ("NAS", "DescribeFileSystems")
    wait(lambda: call(*running, FileSystemId=system)["FileSystems"]["FileSystem"][0]["Status"] == "Running")
    where = {"VpcId": world.vpc, "VSwitchId": world.vswitches[0], "AccessGroupName": "agr", "NetworkType": "Vpc"}
    domain = call("NAS", "CreateMountTarget", FileSystemId=system, **where)["MountTargetDomain"]
    assert domain in world.ssh(public, f"getent hosts {domain}")
    mount = f"mkdir -p /n && mount -t nfs -o vers=3,nolock,proto=tcp,noresvport {domain}:/ /n"
    world.ssh(public, f"{mount} && echo weights > /n/file")

    # An elastic address leads to the second machine, and then no longer.
    eip = call("Vpc", "AllocateEipAddress")
    call("Vpc", "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=machines[1])
    assert world.ssh(eip["EipAddress"], f"{mount} && cat /n/file") == "weights\n"
    call("Vpc", "UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=machines[1])
    assert not opens(eip["EipAddress"], 22)

    # Power: a machine that switches itself off is seen, starts again with its disk, and user data does not run again.
    world.ssh(public, "systemd-run --timer-property=AccuracySec=1ms --on-active=1 systemctl poweroff")
    world.until(machines[0], "Stopped")
    call("Ecs", "StartInstance", InstanceId=machines[0])
    world.until(machines[0], "Running")
    wait(lambda: opens(public, 22), 30)
    assert world.ssh(public, "cat /root/ran") == "once\n"

    # A stop in economical mode gives its address away: it answers at another.
    call("Ecs", "StopInstance", InstanceId=machines[0], StoppedMode="StopCharging")
    assert world.until(machines[0], "Stopped")["PublicIpAddress"]["IpAddress"] == []
    call("Ecs", "StartInstance", InstanceId=machines[0])
    [public], before = world.until(machines[0], "Running")["PublicIpAddress"]["IpAddress"], public
    wait(lambda: opens(public, 22), 30)
    assert world.ssh(public, "cat /root/ran") == "once\n" and public != before and not opens(before, 22)

    # Release at its time; then everything goes in the cloud's order.
    headers = {"x-tandem-secret": service.cloud.settings.secret}
    wish = json.dumps({"instance": machines[0], "seconds": 0}).encode()
    assert Admin(service.cloud).answer("POST", "release-at", headers, wish)[0] == 200
    world.until(machines[0], "gone")
    assert not opens(public, 22)
    with pytest.raises(Refused, match="dependent resources"):
        call("Vpc", "DeleteVSwitch", VSwitchId=world.vswitches[1])
    call("Ecs", "DeleteInstance", InstanceId=machines[1], Force=True)
    world.until(machines[1], "gone")
    call("NAS", "DeleteMountTarget", FileSystemId=system, MountTargetDomain=domain)
    wait(lambda: not call("NAS", "DescribeMountTargets", FileSystemId=system)["MountTargets"]["MountTarget"])
    call("NAS", "DeleteFileSystem", FileSystemId=system)
    wait(lambda: not call("Ecs", "DescribeNetworkInterfaces")["NetworkInterfaceSets"]["NetworkInterfaceSet"])
    for vswitch in world.vswitches:
        call("Vpc", "DeleteVSwitch", VSwitchId=vswitch)
        wait(
            lambda: all(
                each["Status"] == "Available" for each in call("Vpc", "DescribeVSwitches")["VSwitches"]["VSwitch"]
            )
        )
    call("Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group)
    call("Vpc", "DeleteVpc", VpcId=world.vpc)
    assert not list((tmp_path / "machines" / "machines").glob("*/machine.json"))
    assert not service.cloud.store.all("problem")
