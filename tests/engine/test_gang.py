"""All machines or none, with the real engine and provider against the local cloud without machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.alicloud.api import Api
from components.alicloud.leftovers import machines
from localcloud.cloud import daemon
from tests.support.paths import ROOT
from tests.support.project import Project
from tests.support.provider import aliproject, cloud, program, pytestmark

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's


def gang(cloud: dict[str, Any], machines: int) -> str:
    """So many machines as one gang, with the stack's tag."""
    text = f"""
import re, sys
sys.path.insert(0, {str(ROOT)!r})
from components.alicloud.api import Api
from components.alicloud.gang import Gang
from components.alicloud.leftovers import release

api = Api({cloud["region"]!r}, at)
def explain(error):
    return "GANG " + re.search(r"[A-Za-z]+[.][A-Z][A-Za-z]+", error.split(" Code: ")[1])[0]

def release_all(ids):
    release(api, ids)
    return len(ids)

gang = Gang("gang", release_all, explain)
hooks = None if pulumi.runtime.is_dry_run() else gang.hooks()
net = ali.vpc.Network("net", vpc_name="gang", cidr_block="10.9.0.0/16", opts=options)
switch = ali.vpc.Switch("switch", vpc_id=net.id, zone_id="cn-hangzhou-h", cidr_block="10.9.1.0/24", opts=options)
group = ali.ecs.SecurityGroup("group", vpc_id=net.id, security_group_name="gang", opts=options)
for number in range({machines}):
    ali.ecs.Instance(f"node-{{number}}", instance_name="gang", instance_type="ecs.g7.large", vswitch_id=switch.id,
        image_id="ubuntu_22_04_x64_20G_alibase_20260901.vhd", security_groups=[group.id],
        tags={{"tandem-stack": "gang"}}, opts=pulumi.ResourceOptions(provider=provider, hooks=hooks))
"""
    return program(cloud, text)


@pytest.fixture
def keys(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", cloud["accessKey"])
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", cloud["secretKey"])


@pytest.mark.long  # waits as long as the cloud does
@pytest.mark.usefixtures("keys")
def test_half_a_gang_is_released(aliproject: Project, cloud: dict[str, Any]) -> None:
    """The third is out of stock: the first two go; what an earlier `up` made stays when a later one fails."""
    api, folder = Api(cloud["region"], cloud["endpoint"]), Path(cloud["state"])
    aliproject.program(gang(cloud, 0)).up()
    daemon.ask(folder, "POST", "faults", {"kind": "no-stock", "after": 2, "times": 0})
    failed = aliproject.program(gang(cloud, 3)).run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0, failed.stdout
    assert "GANG OperationDenied.NoStock (2 released)" in failed.stdout
    assert machines(api, "gang") == []

    daemon.ask(folder, "DELETE", "faults", {})
    assert aliproject.program(gang(cloud, 2)).up("--refresh")["create"] == 2
    before = {each.id for each in machines(api, "gang")}
    daemon.ask(folder, "POST", "faults", {"kind": "balance", "after": 1, "times": 0})
    failed = aliproject.program(gang(cloud, 4)).run("up", "--yes", "--skip-preview")
    assert "GANG InvalidAccountStatus.NotEnoughBalance (1 released)" in failed.stdout
    assert {each.id for each in machines(api, "gang")} == before
    daemon.ask(folder, "DELETE", "faults", {})
    aliproject.pulumi("refresh", "--yes", "--skip-preview")
    aliproject.pulumi("destroy", "--yes", "--skip-preview")
    assert machines(api, "gang") == []
