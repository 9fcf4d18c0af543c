"""The rented part of the graph, seen through Pulumi's mocks, and that dev and local are one graph."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.alicloud.compute import cloud_config
from localcloud.cloud import user_data
from stacks.deployment import deploy
from stacks.platforms import alicloud
from stacks.platforms.alicloud import release_time
from stacks.platforms.stock import first_in_stock
from stacks.settings.cloud import CloudSettings
from stacks.settings.errors import SettingsError
from tests.support.cloud_graph import ACCELERATOR, Cloud, graph, settings_of
from tests.support.graph import dependencies, reaches, urn_name


def ordinary(seen: dict[str, Any]) -> dict[str, Any]:
    """All but the accelerator's own steps; the stack itself is registered once a process."""
    return {n: r for n, r in seen.items() if r.type != "pulumi:pulumi:Stack" and not ACCELERATOR.match(n)}


def test_dev_and_local_are_one_graph(monkeypatch):
    """Type by type and edge by edge; the driver's own steps stand between, and take no edge away."""
    dev, local = graph(monkeypatch, "dev"), graph(monkeypatch, "local")
    assert len(ordinary(local)) > 60
    assert {name for name in local if ACCELERATOR.match(name)} == set()
    assert {n: (r.type, urn_name(r.parent)) for n, r in ordinary(dev).items()} == {
        n: (r.type, urn_name(r.parent)) for n, r in ordinary(local).items()
    }
    for name in ordinary(local):
        for needed in dependencies(local, name):
            assert reaches(dev, name, needed), f"only local: {name} waits for {needed}"
        direct = {each for each in dependencies(dev, name) if not ACCELERATOR.match(each)}
        assert direct <= dependencies(local, name), f"only dev: {name} waits for {direct - dependencies(local, name)}"


def test_a_rented_gpu_machine_costs_fourteen_resources(monkeypatch):
    """What a preview of many machines costs grows with this number; Compute and Host have one name."""
    own = [name for name in graph(monkeypatch, "dev") if name == "node-1" or name.startswith("node-1-")]
    assert len(own) + 1 <= 14


def test_no_machine_that_costs_is_rented_before_the_weights_are_there(monkeypatch):
    seen = graph(monkeypatch, "local")
    assert reaches(seen, "node-0-instance", "fetcher-weights-done")
    assert not reaches(seen, "fetcher-instance", "node-0-instance")


def test_machines_may_be_rented_while_the_download_ends(monkeypatch):
    seen = graph(monkeypatch, "local", createMachines="early-start")
    assert reaches(seen, "node-0-instance", "fetcher-weights-early-start-done")
    assert not reaches(seen, "node-0-instance", "fetcher-weights-done")
    assert reaches(seen, "answer-asked", "fetcher-weights-done")


def test_everything_rented_goes_before_the_sweep_looks(monkeypatch):
    """Pulumi deletes in the opposite order: what waits for the sweep is gone when the sweep is deleted."""
    seen = graph(monkeypatch, "local")
    rented = [name for name, request in seen.items() if request.type.startswith("alicloud:")]
    assert len(rented) > 10
    for name in rented:
        assert reaches(seen, name, "sweep"), name


def test_a_machine_in_no_state_goes_before_its_network(monkeypatch):
    seen = graph(monkeypatch, "local")
    for name in ("fetcher-instance", "node-0-instance"):
        assert reaches(seen, name, "guard")
    assert reaches(seen, "guard", "network-inside")
    assert reaches(seen, "guard", "network-vswitch-h")


def test_everything_carries_project_stack_and_owner(monkeypatch):
    seen = graph(monkeypatch, "dev")
    tagged = 0
    for name, request in seen.items():
        if "tags" in request.object:
            tags = dict(request.object["tags"])
            assert tags["tandem-project"] == "tandem" and tags["tandem-stack"] == "tandem-t", name
            assert tags["tandem-owner"], name
            tagged += 1
    assert tagged >= 8


def test_the_page_is_open_to_the_ranges_that_are_named_and_to_nobody_else(monkeypatch):
    ranges = ["192.0.2.0/24", "198.51.100.7/32"]
    seen = graph(monkeypatch, "dev", webui={"enabled": True, "port": 3100, "allowedCidrs": ranges})
    rules = [dict(r.object.items()) for r in seen.values() if r.type.endswith("SecurityGroupRule")]
    assert [rule["cidrIp"] for rule in rules if rule["portRange"] == "3100/3100"] == ranges
    before = graph(monkeypatch, "dev")
    assert {n for n in seen if seen[n].type.endswith("SecurityGroupRule")} - set(before) == {
        "network-port-3100-0",
        "network-port-3100-1",
    }


@pytest.mark.parametrize("ranges", [["192.0.2.0/24"], []])
def test_litellm_s_own_port_is_open_to_its_ranges_alone(monkeypatch, ranges):
    seen = graph(monkeypatch, "dev", gateway={"team": {"enabled": True, "allowedCidrs": ranges}})
    rules = [dict(r.object.items()) for r in seen.values() if r.type.endswith("SecurityGroupRule")]
    assert [rule["cidrIp"] for rule in rules if rule["portRange"] == "4000/4000"] == ranges


def test_every_declared_rule_is_watched_and_no_other(monkeypatch):
    """What `up` opens its watch leaves open: the page's port too, which the watch once shut again."""
    ranges = ["192.0.2.0/24", "198.51.100.7/32"]
    seen = graph(monkeypatch, "dev", webui={"enabled": True, "port": 3100, "allowedCidrs": ranges})
    rules = [dict(r.object.items()) for r in seen.values() if r.type.endswith("SecurityGroupRule")]
    declared = {(rule["portRange"], rule["cidrIp"]) for rule in rules}
    call = json.loads(seen["security-rules"].object["stdin"]["value"])
    watched = [rule for group in call["declared"] for rule in group["rules"]]
    assert {(rule["ports"], rule["peer"]) for rule in watched} == declared
    assert {("3100/3100", cidr) for cidr in ranges} < declared


def test_what_is_stopped_in_economical_mode_keeps_its_address(monkeypatch):
    """Such a stop takes a public address away: the fetcher's is an EIP, and bound before anybody calls it."""
    seen = graph(monkeypatch, "dev")
    fetcher, node = seen["fetcher-instance"], seen["node-0-instance"]
    assert "internetMaxBandwidthOut" not in fetcher.object and dict(node.object)["internetMaxBandwidthOut"] == 100
    assert dict(seen["fetcher-address"].object)["bandwidth"] == "100"
    link = seen["fetcher-address-link"]
    # Asked to end what went with the machine already, the provider would try for minutes.
    assert link.retainOnDelete and {"privateIpAddress", "vpcId"} <= set(link.ignoreChanges)
    assert reaches(seen, "fetcher-instance", "fetcher-address")
    for name in ("fetcher-lease", "fetcher-prepare-run", "fetcher-weights-done"):
        assert reaches(seen, name, "fetcher-address-link"), name
    assert {"instanceType", "userData"} <= set(fetcher.replaceOnChanges)
    assert "instanceType" not in node.replaceOnChanges and "userData" in node.replaceOnChanges


def test_any_key_that_openssh_knows_opens_the_machines(monkeypatch):
    """By user data: an import as a key pair takes some types only, and ed25519 is none of those listed."""
    seen = graph(monkeypatch, "dev")
    assert not [name for name, request in seen.items() if request.type.endswith("EcsKeyPair")]
    assert not [name for name, request in seen.items() if "keyName" in request.object]
    document = cloud_config("PRIVATE", "PUBLIC", "ssh-ed25519 AAAA me")
    parsed = user_data.parse(document)
    assert parsed.authorized_keys == ("ssh-ed25519 AAAA me",) and parsed.host_key == ("PRIVATE", "PUBLIC")


@pytest.mark.parametrize("stack", ["a", "1tandem-dev", "tandem-my.stack", f"tandem-{'x' * 60}", "tändem-dev"])
def test_a_name_that_the_account_takes_nowhere_is_refused_before_anything_is_rented(monkeypatch, stack):
    monkeypatch.setattr(alicloud, "has_keys", lambda: False)
    with pytest.raises(SettingsError, match="pulumi stack rename"):
        asyncio.run(alicloud.rent(settings_of("dev"), stack))


def test_zones_are_named_as_the_cloud_names_them():
    """China's have a hyphen before their letter, the others none."""
    other: dict[str, Any] = {
        "region": "ap-southeast-1",
        "candidates": [{"zone": "ap-southeast-1a", "instanceType": "ecs.g7.large"}],
    }
    cloud = settings_of("local", **other, nas={"storageClass": "Performance"}).cloud
    assert cloud.nas_zone == "ap-southeast-1a"
    with pytest.raises(SettingsError, match="its zones are named ap-southeast-1a and so on"):
        settings_of(
            "local", region="ap-southeast-1", candidates=[{"zone": "us-west-1a", "instanceType": "ecs.g7.large"}]
        )


def test_kept_weights_are_never_deleted(monkeypatch):
    assert graph(monkeypatch, "dev")["storage-files"].retainOnDelete
    assert not graph(monkeypatch, "local")["storage-files"].retainOnDelete


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"adminCidrs": ["0.0.0.0/0"]}, ["cloud.adminCidrs", "opens SSH to everybody", "/32"]),
        ({"vpcCidr": "172.17.0.0/16"}, ["cloud.vpcCidr", "Docker", "172.20.0.0/16"]),
        ({"vpcCidr": "10.0.0.0/24"}, ["cloud.vpcCidr", "too small", "/19"]),
        ({"vpcCidr": "8.8.0.0/16"}, ["cloud.vpcCidr", "no private range"]),
        ({"nas": {"storageClass": "advance"}}, ["cloud.nas", "Performance or Capacity"]),
        ({"nas": {"type": "extreme", "storageClass": "advance"}}, ["cloud.nas", "capacityGib is missing"]),
        ({"candidates": [{"zone": "cn-beijing-f", "instanceType": "ecs.g7.large"}]}, ["cloud", "not in region"]),
        ({"candidates": []}, ["cloud.candidates", "at least 1"]),
        ({"bandwidthMbps": 200}, ["cloud.bandwidthMbps", "100"]),
        ({"vswitches": {"cn-hangzhou-h": "vsw-1"}}, ["cloud", "without vpcId"]),
        ({"machines": 3}, ["serving", "nearest that works"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(changes, expected):
    with pytest.raises(SettingsError) as caught:
        settings_of("local", **changes)
    for part in expected:
        assert part in str(caught.value)


def test_what_up_needs_is_reported_by_preview_and_refused_by_up(monkeypatch):
    monkeypatch.setattr(alicloud, "has_keys", lambda: False)
    settings = settings_of("dev")
    pulumi.runtime.set_mocks(Cloud(), project="tandem", stack="t", preview=False)
    with pytest.raises(SettingsError) as caught:
        asyncio.run(deploy(settings, api_key=None, hub_token=None))
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in str(caught.value)
    assert "203.0.113.7/32 is an example" in str(caught.value)


CLASSES = {"cn-hangzhou-h": {("performance", "nfs")}, "cn-hangzhou-i": {("capacity", "nfs")}}


def choice(sold: dict[str, set[str]], **changes: Any) -> Any:
    cloud: CloudSettings = settings_of("local", **changes).cloud

    def sells(instance_type: str, zone: str, *, spot: bool = False) -> bool:
        return zone in sold.get(instance_type, set())

    zones: Callable[[], list[str]] = lambda: ["cn-hangzhou-h", "cn-hangzhou-i", "cn-hangzhou-k"]  # noqa: E731
    return first_in_stock(cloud, sells, zones, CLASSES)


SMALL = {"ecs.u1-c1m2.large": {"cn-hangzhou-h"}}


def test_the_first_candidate_with_stock_is_taken():
    assert choice({**SMALL, "ecs.g7.large": {"cn-hangzhou-i", "cn-hangzhou-j"}}).zone == "cn-hangzhou-i"


@pytest.mark.parametrize(
    ("sold", "changes", "expected"),
    [
        ({**SMALL, "ecs.g7.large": {"cn-hangzhou-k"}}, {}, ["no candidate holds 2", "is sold in cn-hangzhou-k"]),
        (SMALL, {}, ["cn-hangzhou-h has no ecs.g7.large", "cn-hangzhou-j has no", "sold in no zone now"]),
        ({"ecs.g7.large": {"cn-hangzhou-h"}}, {}, ["fetcher.instanceType", "cloud.nas.zone"]),
        (SMALL, {"nas": {"storageClass": "Capacity"}}, ["has no NAS of class Capacity", "cn-hangzhou-i"]),
    ],
)
def test_without_stock_each_zone_is_named(sold, changes, expected):
    with pytest.raises(SettingsError) as caught:
        choice(sold, **changes)
    for part in expected:
        assert part in str(caught.value)


def test_the_dead_mans_switch_moves_by_halves():
    """At most the given hours away, at least half; the same for every `up` within a half."""
    base = 1_800_000_000 // 43200 * 43200
    assert release_time(24, base) == release_time(24, base + 43199) != release_time(24, base + 43200)
    assert release_time(None, base) is None
