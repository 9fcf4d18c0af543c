"""Facts of stacks in which nothing is wrong, as the doctor collects them; tests change one of them at a time."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from components.alicloud.leftovers import Leftover
from stacks.doctor.account_queries import rights
from stacks.doctor.addresses import places_of
from stacks.doctor.deadline import Answer
from stacks.doctor.evidence import Evidence
from stacks.doctor.external_probe import Certificate
from stacks.doctor.machine_probe import MachineReply
from stacks.doctor.stack import Resource, Stack
from stacks.load_settings import parse
from tests.support.settings import stack, values

GPU = "0, NVIDIA L20, 0, 4, 16, 16, 40, Not Active, Not Active"
GIB = 1 << 30


def container(name: str, **changes: Any) -> dict[str, Any]:
    """One as machine_state.py tells it."""
    fields = {
        "name": f"tandem-test-{name}",
        "id": f"id-{name}",
        "image": "sha256:aa",
        "status": "running",
        "oom": False,
        "code": 0,
        "restarts": 0,
        "group": None,
    }
    return {**fields, **changes}


GROUP = {"attempt": 1, "exits": 0, "error": "", "exit": None, "stalled": {}, "stalls": []}


def facts(name: str, other: str) -> dict[str, Any]:
    """What machine_state.py says of a machine with one L20."""
    names = ["engine", *(["gateway"] if name.endswith("0") else [])]
    ports = {8000: False, 8100: True, 6379: False} if name.endswith("0") else {6380: False}
    return {
        "machine": {"kernel": "6.8.0-31", "arch": "x86_64", "cpus": 8, "memory": 64 * GIB, "available": 32 * GIB},
        "disks": {"/": {"bytes": 100 * GIB, "free": 50 * GIB, "inodes": 1000, "inodes_free": 900}},
        "interfaces": {"lo": "unknown", "eth0": "up"},
        "bus": {"gpus": [{}], "switches": [], "npus": [], "ports": [{"name": "mlx5_0", "active": True}]},
        "nvidia": {
            "state": ["working"],
            "version": ["580.95.05"],
            "count": ["1"],
            "words": [""],
            "fabric_version": [""],
            "fabric_unit": [""],
            "gpu": [GPU],
            "remapped": ["00000000:01:00.0, No, No"],
        },
        "peers": {other: {"error": "", "loss": 0.0}},
        "fetch": {},
        "listening": {"open": {str(port): own for port, own in ports.items()}, "taken": ""},
        "firewall": {"made": True, "loaded": True, "unit": "enabled", "confirmed": True},
        "containers": [container(f"{name}-{each}", group=GROUP if each == "engine" else None) for each in names],
        "frozen": [],
        "storage": {
            "source": "nas:/",
            "there": True,
            "bytes": 1000 * GIB,
            "free": 500 * GIB,
            "weights": {"/mnt/tandem/models/x": {"files": 9, "bytes": 100 * GIB, "manifest": True, "wrong": ""}},
            "read": {"file": "/mnt/tandem/models/x/1", "bytes": 256 << 20, "seconds": 0.5},
        },
    }


def certificate(**changes: Any) -> Certificate:
    now = datetime.now(UTC)
    fields = {"pem": "", "begins": now - timedelta(days=1), "ends": now + timedelta(days=900), "names": ("10.0.0.1",)}
    return Certificate(**{**fields, "refusal": "", **changes})


def _evidence(found: Stack, account: dict[str, Answer]) -> Evidence:
    places = places_of(found)
    serving = [each.name for each in places if each.number is not None]
    replies = {name: MachineReply("", facts(name, next(n for n in serving if n != name))) for name in serving}
    for place in places:
        if place.number is not None:
            replies[place.name].facts["fetch"] = {}
    outside = {"url": Answer(""), "completion": Answer(""), "inner": Answer({}), "certificate": Answer(certificate())}
    return Evidence(found, places, account, replies, outside, frozenset({"203.0.113.9"}))


def _containers() -> list[Resource]:
    return [
        Resource(
            "docker:index/container:Container",
            name,
            f"id-{name}",
            {"image": "sha256:aa"},
            {"name": f"tandem-test-{name}"},
        )
        for name in ("node-0-engine", "node-0-gateway", "node-1-engine")
    ]


def hosts(**changes: Any) -> Evidence:
    """Two machines of one's own with an L20 each, vLLM over both."""
    config = values(
        machines=[{"name": "node-0", "address": "10.0.0.1"}, {"name": "node-1", "address": "10.0.0.2"}],
        accelerator={"kind": "nvidia", "gpu": "L20"},
        images={"engine": "registry.example/vllm:1", "gateway": "registry.example/caddy:2"},
        serving={"tensorParallelSize": 2, "executor": "ray"},
        storage={"server": "nas", "export": "/"},
        **changes,
    )
    probe = Resource("command:local:Command", "answer-asked", "x", {"stdin": "{}"}, {"stdin": "{}"})
    found = Stack(
        "test", "tandem", config, parse(config), "", [*_containers(), probe], {"apiUrl": "https://10.0.0.1:8000/v1"}
    )
    evidence = _evidence(found, {})
    for name in ("node-0", "node-1"):
        evidence.replies[name].facts["fetch"] = {"https://registry.example/v2/": ""}
    return evidence


def rented() -> Evidence:
    """Pulumi.local.yaml, brought up."""
    config = stack("local", accelerator={"kind": "cpu"})
    settings = parse(config)
    assert settings.cloud
    machines = [
        Resource(
            "alicloud:ecs/instance:Instance",
            f"node-{n}-instance",
            f"i-{n}",
            {},
            {
                "publicIp": f"100.64.77.{n + 2}",
                "primaryIpAddress": f"172.20.7.{n + 2}",
            },
        )
        for n in range(2)
    ]
    public = json.dumps({"own": {"private": "x", "public": "ssh-ed25519 AAAA"}})
    keys = [
        Resource("command:local:Command", f"node-{n}-host-keys-made", "x", {}, {"stdout": public}) for n in range(2)
    ]
    group = Resource("alicloud:ecs/securityGroup:SecurityGroup", "network-inside", "sg-1")
    probe = Resource("command:local:Command", "answer-asked", "x", {"stdin": "{}"}, {"stdin": "{}"})
    outputs = {"apiUrl": "https://100.64.77.2:8000/v1"}
    found = Stack("test", "tandem", config, settings, "", [*machines, *keys, group, probe, *_containers()], outputs)
    values_of = {
        "real-name-authentication": "yes",
        "max-postpaid-instance-vcpu-count": "100",
        "used-postpaid-instance-vcpu-count": "6",
        "max-spot-instance-vcpu-count": "0",
        "used-spot-instance-vcpu-count": "0",
    }
    items = [{"AttributeName": n, "AttributeValues": {"ValueItem": [{"Value": v}]}} for n, v in values_of.items()]
    account = {
        "identity": {"AccountId": "1"},
        "attributes": {"AccountAttributeItems": {"AccountAttributeItem": items}},
        "balance": {"Data": {"AvailableAmount": "1,000.00", "Currency": "CNY"}},
        "types": {"InstanceTypes": {"InstanceType": [{"InstanceTypeId": "ecs.g7.large", "CpuCoreCount": 2}]}},
        "machines": [
            {"InstanceId": f"i-{n}", "InstanceName": f"tandem-test-node-{n}", "Status": "Running"} for n in range(2)
        ],
        "tagged": [
            *(Leftover("machine", f"i-{n}", f"tandem-test-node-{n}", "machine") for n in range(2)),
            Leftover("security group", "sg-1", "tandem-test-inside"),
        ],
        "undeclared": [],
        "missing": [],
        **{f"right {each.name}": {} for each in rights(settings.cloud)},
    }
    for each in settings.cloud.candidates:
        offer = {"Value": each.instance_type, "Status": "Available"}
        resource = {"SupportedResources": {"SupportedResource": [offer]}}
        zone = {"AvailableResources": {"AvailableResource": [resource]}}
        account[f"stock {each.instance_type} {each.zone}"] = {"AvailableZones": {"AvailableZone": [zone]}}
    evidence = _evidence(found, {name: Answer(value) for name, value in account.items()})
    for name in ("node-0", "node-1"):
        evidence.replies[name].facts["fetch"] = {
            "http://100.64.77.1:8600/v2/": "",
            "http://100.64.77.1:8600/pypi/simple": "",
        }
        evidence.replies[name].facts["storage"]["source"] = "files.nas:/"
    return evidence


def fresh(evidence: Evidence) -> Evidence:
    """Facts that a test may change."""
    return copy.deepcopy(evidence)
