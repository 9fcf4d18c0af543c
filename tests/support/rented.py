"""Machines rented on the local cloud by the provider, and what reaches them."""

import base64
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import yaml

from localcloud.cloud.service import Service
from tests.support.cloud_account import Account

PUBLIC = "100.65.77.0/24"


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
            "Ecs",
            "RunInstances",
            ImageId="debian_12_9_x64_20G_alibase_20260901.vhd",
            InstanceType="ecs.g7.large",
            VSwitchId=vswitch,
            SecurityGroupId=self.group,
            KeyPairName="kk",
            UserData=data,
            InternetMaxBandwidthOut=bandwidth,
        )
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


def opens(address: str, port: int, seconds: float = 1.0) -> bool:
    """Whether a TCP connection from this host is accepted in time."""
    try:
        socket.create_connection((address, port), seconds).close()
    except OSError:
        return False
    return True


HOST = "100.65.77.1"  # this host as machines see it: the outside

SERVE = "systemd-run --unit=web python3 -m http.server 8000"
