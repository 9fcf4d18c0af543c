"""Trouble that the cloud makes while a machine is rented: what the user reads, and that nothing is left."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.alicloud.api import Api
from components.alicloud.leftovers import release
from localcloud.cloud import daemon
from tests.support.project import Project
from tests.support.provider import aliproject, cloud, program, pytestmark

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's

ZONE = "cn-hangzhou-h"
IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"


@dataclass(frozen=True)
class Case:
    """A fault for machines of one type, so that all strike at once without meeting.

    Attributes:
        name: of the case and its stack.
        type: instance type, of no other case.
        fault: what is ordered; `type` is added.
        error: the cloud's code, which the user reads; empty when the provider gets over it.
        machines: how many are asked for.
        made: how many there are after `pulumi up`.
        orphans: how many are there after `pulumi destroy`, with their tags: what a sweep by tag is for.
    """

    name: str
    type: str
    fault: dict[str, Any]
    error: str
    machines: int = 1
    made: int = 0
    orphans: int = 0


CASES = [
    Case(
        "no stock after the first",
        "ecs.g7.large",
        {"kind": "no-stock", "after": 1, "times": 0},
        "OperationDenied.NoStock",
        machines=2,
        made=1,
    ),
    Case("balance", "ecs.g7.xlarge", {"kind": "balance", "times": 0}, "InvalidAccountStatus.NotEnoughBalance"),
    Case("quota", "ecs.g7.2xlarge", {"kind": "quota", "times": 0}, "QuotaExceed.ElasticQuota"),
    Case("zone not on sale", "ecs.g8i.large", {"kind": "not-on-sale", "times": 0}, "Zone.NotOnSale"),
    Case("throttled twice", "ecs.g8i.xlarge", {"kind": "throttle", "action": "RunInstances", "times": 2}, "", made=1),
    Case(
        "unavailable twice",
        "ecs.g8i.2xlarge",
        {"kind": "unavailable", "action": "RunInstances", "times": 2},
        "",
        made=1,
    ),
    Case("slow", "ecs.u1-c1m2.large", {"kind": "slow", "action": "RunInstances", "seconds": 8}, "", made=1),
    # The provider sends a ClientToken but tries a broken connection no second time: the machine is in no state.
    Case("lost answer", "ecs.u1-c1m4.large", {"kind": "lost", "action": "RunInstances"}, "EOF", made=1, orphans=1),
]
SAMPLE = [case for case in CASES if case.name in ("no stock after the first", "throttled twice", "lost answer")]
"""An error, one that the provider gets over, and one that leaves a machine in no state."""


@pytest.fixture
def api(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", cloud["accessKey"])
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", cloud["secretKey"])
    return Api(cloud["region"], cloud["endpoint"])


@pytest.fixture
def place(api: Api) -> tuple[str, str]:
    """A vSwitch and a security group that the cases share."""
    vpc = api.call("vpc", "CreateVpc", CidrBlock="10.7.0.0/16")["VpcId"]
    while api.call("vpc", "DescribeVpcAttribute", VpcId=vpc)["Status"] != "Available":
        pass
    vswitch = api.call("vpc", "CreateVSwitch", VpcId=vpc, ZoneId=ZONE, CidrBlock="10.7.0.0/24")["VSwitchId"]
    return vswitch, api.call("ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]


def machines_program(cloud: dict[str, Any], place: tuple[str, str], case: Case) -> str:
    arguments = (
        f"instance_type={case.type!r}, image_id={IMAGE!r}, vswitch_id={place[0]!r}, tags={{'case': {case.name!r}}}"
    )
    return program(
        cloud,
        f"""
for number in range({case.machines}):
    ali.ecs.Instance(f"machine-{{number}}", {arguments}, security_groups=[{place[1]!r}], opts=options)
""",
    )


def rented(api: Api, case: Case) -> list[str]:
    tag = [{"Key": "case", "Value": case.name}]
    return [each["InstanceId"] for each in api.pages("ecs", "DescribeInstances", "Instances.Instance", Tag=tag)]


@pytest.mark.usefixtures("aliproject")
@pytest.mark.parametrize("cases", [SAMPLE, pytest.param(CASES, marks=pytest.mark.long)], ids=["sample", "all"])
def test_each_fault_is_reported_and_leaves_nothing_or_what_its_tag_finds(
    cloud: dict[str, Any], api: Api, place: tuple[str, str], tmp_path: Path, cases: list[Case]
) -> None:
    """As many stacks at once, one a fault; the table that is printed is what the user reads."""
    daemon.ask(Path(cloud["state"]), "DELETE", "faults", {})  # those of the other cases, which count on
    for case in cases:
        daemon.ask(Path(cloud["state"]), "POST", "faults", {**case.fault, "type": case.type})

    def live(case: Case) -> tuple[int, str, list[str], list[str]]:
        project = Project.make(tmp_path / case.type).program(machines_program(cloud, place, case))
        done = project.run("up", "--yes", "--skip-preview")
        made = rented(api, case)
        project.pulumi("destroy", "--yes", "--skip-preview")
        return done.returncode, done.stdout, made, rented(api, case)

    with ThreadPoolExecutor(len(cases)) as pool:
        ends = list(pool.map(live, cases))
    print()
    for case, (_, said, made, left) in zip(cases, ends, strict=True):
        errors = [line.strip() for line in said.splitlines() if case.error and case.error in line]
        print(f"{case.name:26} machines {len(made)}, left {len(left)}: {(errors or ['up succeeds'])[0][:300]}")
    for case, (code, said, made, left) in zip(cases, ends, strict=True):
        assert (code != 0, case.error in said) == (bool(case.error), True), (case.name, said)
        assert len(made) == case.made, (case.name, made)
        assert len(left) == case.orphans, case.name
        if left:
            release(api, left)
        assert not rented(api, case)
    calls = [json.loads(line) for line in Path(cloud["calls"]).read_text().splitlines()]
    assert any(call.get("lost") for call in calls)
