"""Rules of a security group that somebody else changed, with the real engine and provider: shown, then put back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.alicloud.api import Api
from tests.support.paths import ROOT
from tests.support.project import Project
from tests.support.provider import aliproject, cloud, program, pytestmark

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's

WIDE = {"IpProtocol": "tcp", "PortRange": "6000/7000", "SourceCidrIp": "0.0.0.0/0"}


def network(cloud: dict[str, Any], allowed: str) -> str:
    """The deployment's own network component and its watch, and a group of somebody else's with the same tag."""
    text = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from components.alicloud.api import Api
from components.alicloud.network import Network, NetworkArgs
from components.alicloud.security_rules import find_undeclared
from components.alicloud.rule_watch import watch_security_rules

tags = {{"tandem-stack": "rules"}}
under = pulumi.ResourceOptions(providers=[provider])
args = NetworkArgs(stack="rules", tags=tags, vpc_cidr="10.8.0.0/16", gateway_port=8000,
                   vswitch_cidrs={{"cn-hangzhou-h": "10.8.1.0/24"}}, admin_cidrs=["192.0.2.1/32"],
                   allowed_cidrs=[{allowed!r}], other_ports={{3000: ["203.0.113.9/32"]}})
net = Network("net", args=args, opts=under)
ali.ecs.SecurityGroup("theirs", vpc_id=net.vpc_id, security_group_name="theirs", tags=tags, opts=options)
call = {{"region": {cloud["region"]!r}, "endpoint": at}}
found = find_undeclared(Api(call["region"], at), "rules", args.rules())
watch_security_rules(net, args, found=found, call=call,
            command="cd {ROOT} && {ROOT}/.venv/bin/python -m components.alicloud", opts=pulumi.ResourceOptions())
"""
    return program(cloud, text)


def rules(api: Api, group: str) -> set[tuple[str, str, str]]:
    permissions = api.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]["Permission"]
    return {(each["Direction"], each["PortRange"], each["SourceCidrIp"] or each["DestCidrIp"]) for each in permissions}


@pytest.fixture
def api(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", cloud["accessKey"])
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", cloud["secretKey"])
    return Api(cloud["region"], cloud["endpoint"])


def test_edited_groups_are_reported_and_put_back(aliproject: Project, cloud: dict[str, Any], api: Api) -> None:
    """Added in and out, edited, taken away, all at once; others' groups stay as they are, and so does a second `up`."""
    aliproject.program(network(cloud, "198.51.100.0/24")).up()
    again = aliproject.up()
    assert list(again) == ["same"]
    count = again["same"]
    inside, front, theirs = (aliproject.resources()[name]["id"] for name in ("net-inside", "net-front", "theirs"))
    ours = rules(api, inside), rules(api, front)
    page = ("ingress", "3000/3000", "203.0.113.9/32")  # open, and still so after the watch has been there
    assert ours == ({("ingress", "22/22", "192.0.2.1/32")}, {("ingress", "8000/8000", "198.51.100.0/24"), page})

    for group in (inside, theirs):
        api.call("ecs", "AuthorizeSecurityGroup", SecurityGroupId=group, **WIDE)
    out = {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0", "Policy": "drop"}
    api.call("ecs", "AuthorizeSecurityGroupEgress", SecurityGroupId=inside, **out)
    permissions = api.call("ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=front)["Permissions"]["Permission"]
    gateway = next(each for each in permissions if each["PortRange"] == "8000/8000")
    edited = {"SecurityGroupRuleId": gateway["SecurityGroupRuleId"], "SourceCidrIp": "0.0.0.0/0"}
    api.call("ecs", "ModifySecurityGroupRule", SecurityGroupId=front, **edited)

    assert "net-gateway-0 delete" in aliproject.pulumi("refresh", "--yes", "--skip-preview").replace("  ", " ")
    before = rules(api, inside)
    said = aliproject.pulumi("preview")
    for rule in (
        f"`accept TCP 6000/7000 from 0.0.0.0/0` in security group {inside} (rules-inside)",
        f"`drop ALL to 0.0.0.0/0` in security group {inside}",
        f"`accept TCP 8000/8000 from 0.0.0.0/0` in security group {front}",
    ):
        assert f"{rule}" in said
    assert theirs not in said
    assert rules(api, inside) == before, "a preview changes nothing"
    assert aliproject.up() == {"same": count - 2, "update": 1, "create": 1}
    assert (rules(api, inside), rules(api, front)) == ours
    assert rules(api, theirs) == {("ingress", "6000/7000", "0.0.0.0/0")}
    assert aliproject.up() == {"same": count}

    # The same rule again, while a setting changes too: it goes, and the setting's own rule is replaced as ever.
    api.call("ecs", "AuthorizeSecurityGroup", SecurityGroupId=inside, **WIDE)
    assert aliproject.program(network(cloud, "203.0.113.0/24")).up() == {"same": count - 2, "update": 1, "replace": 1}
    assert (rules(api, inside), rules(api, front)) == (
        ours[0],
        {("ingress", "8000/8000", "203.0.113.0/24"), page},
    )
    assert aliproject.up() == {"same": count}
    assert json.loads(aliproject.pulumi("preview", "--json"))["changeSummary"] == {"same": count}
