"""Every resource of a deployment by the real provider code: nothing changes that nobody changed."""

from __future__ import annotations

from typing import Any

from tests.engine.project import Project
from tests.engine.test_alicloud_plugin import aliproject, cloud, program, pytestmark

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's


def deployment(name: str = "first", bandwidth: int = 5, release: str = "2029-01-01T00:00:00Z", port: int = 8000) -> str:
    """The thirteen resources, with the properties that updates are tested on as arguments."""
    return f"""
tags = {{"stack": {name!r}}}
net = ali.vpc.Network("net", vpc_name={name!r}, cidr_block="10.8.0.0/16", tags=tags, opts=options)
switch = ali.vpc.Switch("switch", vpc_id=net.id, zone_id="cn-hangzhou-h", cidr_block="10.8.1.0/24",
                        vswitch_name={name!r}, tags=tags, opts=options)
group = ali.ecs.SecurityGroup("group", vpc_id=net.id, security_group_name={name!r}, description={name!r},
                              inner_access_policy="Accept", tags=tags, opts=options)
rule = ali.ecs.SecurityGroupRule("rule", security_group_id=group.id, type="ingress", ip_protocol="tcp",
                                 port_range="{port}/{port}", cidr_ip="192.0.2.0/24", nic_type="intranet",
                                 policy="accept", priority=1, description={name!r}, opts=options)
inner = ali.ecs.SecurityGroupRule("inner", security_group_id=group.id, type="ingress", ip_protocol="all",
                                  port_range="-1/-1", source_security_group_id=group.id, nic_type="intranet",
                                  opts=options)
key = ali.ecs.EcsKeyPair("key", key_pair_name="deployment", tags=tags, opts=options, public_key=
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJIdkq0cZ7LdCkT5xFkzcnNyyVXZ2Z3K5y7v1cZ9A4t test")
files = ali.nas.FileSystem("files", file_system_type="standard", storage_type="Performance", protocol_type="NFS",
                           zone_id="cn-hangzhou-h", description={name!r}, tags=tags, opts=options)
door = ali.nas.AccessGroup("door", access_group_name="deployment", access_group_type="Vpc",
                           file_system_type="standard", description={name!r}, opts=options)
allowed = ali.nas.AccessRule("allowed", access_group_name=door.access_group_name, source_cidr_ip="10.8.0.0/16",
                             rw_access_type="RDWR", user_access_type="no_squash", priority=1, opts=options)
target = ali.nas.MountTarget("target", file_system_id=files.id, access_group_name=door.access_group_name,
                             network_type="Vpc", vpc_id=net.id, vswitch_id=switch.id, opts=options)
machine = ali.ecs.Instance("machine", instance_name={name!r}, host_name="machine", instance_type="ecs.g7.large",
                           image_id="ubuntu_22_04_x64_20G_alibase_20260901.vhd", vswitch_id=switch.id,
                           security_groups=[group.id], key_name=key.key_pair_name, system_disk_category="cloud_essd",
                           system_disk_size=60, user_data="#!/bin/sh\\ntrue\\n", auto_release_time={release!r},
                           instance_charge_type="PostPaid", spot_strategy="SpotAsPriceGo", tags=tags, opts=options)
address = ali.ecs.EipAddress("address", address_name={name!r}, bandwidth="{bandwidth}", tags=tags,
                             internet_charge_type="PayByTraffic", payment_type="PayAsYouGo", opts=options)
link = ali.ecs.EipAssociation("link", allocation_id=address.id, instance_id=machine.id, opts=options)
"""


def test_a_deployment_is_made_kept_changed_and_unmade(aliproject: Project, cloud: dict[str, Any]) -> None:
    """Thirteen resources: create; no change twice, also after a refresh; updates in place; destroy leaves nothing."""
    assert aliproject.program(program(cloud, deployment())).up() == {"create": 15}
    assert aliproject.up() == {"same": 15}
    aliproject.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    assert aliproject.up() == {"same": 15}

    changed = deployment(name="second", bandwidth=9, release="2029-02-02T00:00:00Z", port=9000)
    before = aliproject.resources()
    # All but the inner rule, access rule, mount target and association change; the port makes another rule.
    assert aliproject.program(program(cloud, changed)).up() == {"same": 6, "update": 8, "replace": 1}
    after = aliproject.resources()
    assert [name for name in after if before[name].get("id") != after[name].get("id")] == ["rule"]
    aliproject.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    aliproject.pulumi("destroy", "--yes", "--skip-preview")
    assert aliproject.resources() == {}
