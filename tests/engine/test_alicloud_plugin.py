"""The alicloud plugin under the real engine, with pulumi_alicloud's SDK, against the local cloud without machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.provider import aliproject, cloud, program, pytestmark

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's


def network(cidr: str = "10.1.0.0/16", tag: str = "1", user: str = "", options: str = "options") -> str:
    return f"""
net = ali.vpc.Network("net", vpc_name="net", cidr_block={cidr!r}, tags={{"t": {tag!r}}},
                      user_cidrs=[{user!r}] if {user!r} else None, opts={options})
group = ali.ecs.SecurityGroup("group", vpc_id=net.id, security_group_name="group", opts=options)
rule = ali.ecs.SecurityGroupRule("rule", security_group_id=group.id, type="ingress", ip_protocol="tcp",
                                 port_range="22/22", cidr_ip="192.0.2.1/32", opts=options)
"""


@pytest.mark.long  # test_alicloud_table.py does more, of every type, and by its words too
def test_create_update_replace_refresh_and_delete(aliproject: Project, cloud: dict[str, Any]) -> None:
    assert aliproject.program(program(cloud, network())).up() == {"create": 5}
    identity = aliproject.resources()["net"]["id"]
    assert identity.startswith("vpc-")
    assert aliproject.up() == {"same": 5}

    assert aliproject.program(program(cloud, network(tag="2"))).up() == {"same": 4, "update": 1}
    assert aliproject.resources()["net"]["id"] == identity

    assert aliproject.program(program(cloud, network(tag="2", user="172.30.0.0/16"))).up()["replace"] == 3
    assert aliproject.resources()["net"]["id"] != identity
    aliproject.pulumi("refresh", "--yes", "--skip-preview")
    assert aliproject.up() == {"same": 5}

    aliproject.pulumi("destroy", "--yes", "--skip-preview")
    assert aliproject.resources() == {}


def test_the_secret_key_is_nowhere_in_clear(aliproject: Project, cloud: dict[str, Any]) -> None:
    aliproject.program(program(cloud, "")).up()
    assert cloud["region"] in aliproject.files()
    assert cloud["secretKey"] not in aliproject.files()


def test_the_data_sources_answer(aliproject: Project, cloud: dict[str, Any]) -> None:
    text = """
to = pulumi.InvokeOptions(provider=provider)
zone = ali.get_zones(available_resource_creation="VSwitch", opts=to).zones[0].id
pulumi.export("zone", zone)
pulumi.export("image", ali.ecs.get_images(owners="system", opts=to).images[0].id)
types = ali.ecs.get_instance_types(availability_zone=zone, cpu_core_count=4, opts=to).instance_types
pulumi.export("cores", types[0].cpu_core_count)
pulumi.export("nas", len(ali.nas.get_zones(opts=to).zones))
pulumi.export("account", ali.get_caller_identity(opts=to).account_id)
"""
    aliproject.program(program(cloud, text)).up()
    outputs = aliproject.outputs()
    assert outputs["zone"].startswith(cloud["region"]) and outputs["image"] and outputs["nas"]
    assert outputs["cores"] == 4 and outputs["account"] == cloud["accountId"]


def test_what_exists_is_imported(aliproject: Project, cloud: dict[str, Any], tmp_path: Path) -> None:
    def group(options: str) -> str:
        arguments = "access_group_name='there', access_group_type='Vpc', file_system_type='standard'"
        made = f"ali.nas.AccessGroup('group', {arguments}, opts=pulumi.ResourceOptions(provider=provider{options}))"
        return program(cloud, made)

    other = Project.make(tmp_path / "other")
    other.program(group("")).up()
    identity = other.resources()["group"]["id"]
    assert aliproject.program(group(f", import_={identity!r}")).up() == {"create": 2, "import": 1}
    assert aliproject.resources()["group"]["id"] == identity
    assert aliproject.up() == {"same": 3}
    aliproject.pulumi("destroy", "--yes", "--skip-preview")
    other.pulumi("refresh", "--yes", "--skip-preview")
    assert "group" not in other.resources()


def test_a_refusal_by_the_cloud_reaches_the_user(aliproject: Project, cloud: dict[str, Any]) -> None:
    done = aliproject.program(program(cloud, network(cidr="8.8.8.0/24"))).run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "CidrBlock" in done.stdout
    # What a plain program says when it is interrupted is the SDK's affair; ours ends quietly (stacks/interrupted.py).
    assert "\x1b" not in done.stdout
