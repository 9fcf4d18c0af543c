"""A small deployment on a local cloud, by Alibaba's own clients."""

import json
from typing import Any

from tests.support.cloud_account import Account

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"


class World:
    """A VPC with a vSwitch and a group."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.call = account.call
        self.vpc = self.call("Vpc", "CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
        account.wait(lambda: self.call("Vpc", "DescribeVpcAttribute", VpcId=self.vpc)["Status"] == "Available")
        where = {"VpcId": self.vpc, "ZoneId": "cn-hangzhou-b", "CidrBlock": "10.0.0.0/20"}
        self.vswitch = self.call("Vpc", "CreateVSwitch", **where)["VSwitchId"]
        self.group = self.call("Ecs", "CreateSecurityGroup", VpcId=self.vpc)["SecurityGroupId"]

    def run(self, **wish: Any) -> list[str]:
        plain = {
            "ImageId": IMAGE,
            "InstanceType": "ecs.g7.large",
            "VSwitchId": self.vswitch,
            "SecurityGroupId": self.group,
        }
        return list(self.call("Ecs", "RunInstances", **{**plain, **wish})["InstanceIdSets"]["InstanceIdSet"])

    def seen(self, *machines: str) -> list[dict[str, Any]]:
        answer = self.call("Ecs", "DescribeInstances", InstanceIds=json.dumps(machines), PageSize=100)
        return list(answer["Instances"]["Instance"])

    def running(self, *machines: str) -> list[dict[str, Any]]:
        self.account.wait(lambda: all(one["Status"] == "Running" for one in self.seen(*machines)))
        return self.seen(*machines)

    def gone(self, *machines: str) -> None:
        self.account.wait(lambda: not self.seen(*machines))
