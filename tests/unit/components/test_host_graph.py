"""What a host declares for each kind of accelerator, seen through Pulumi's mocks: order, and what containers get."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks

from components.host import AcceleratorArgs, CollectiveCheck, HostArgs, Node, Workload
from components.machine import Machine
from components.runtime import DockerHost
from tests.support.graph import step_environment

SAID = (
    "nic=eth0 nofile=1024 memlock=-1 hostname=h hca==mlx5_0 infiniband=yes "
    "devices=/dev/davinci0,/dev/davinci_manager ranks=2 bus_gb_per_s=12.5 transports=NET/IB"
)


class Answers(Mocks):
    """What machines would say."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", {**args.inputs, "stdout": SAID}

    def call(self, args):
        return {}


class Recorder(MockMonitor):
    """Keeps what was registered, by name."""

    def __init__(self) -> None:
        super().__init__(Answers())
        self.seen: dict[str, Any] = {}

    def RegisterResource(self, request):
        self.seen[request.name] = request
        return super().RegisterResource(request)


def declare(kind):
    """Two hosts of a kind with a container each, one accelerated and one not, and a collective."""
    monitor = Recorder()
    pulumi.runtime.set_mocks(Answers(), project="tandem", stack="t", monitor=monitor)
    bandwidth: list[Any] = []

    @pulumi.runtime.test
    def run():
        hosts = []
        for number in (1, 2):
            machine = Machine(
                f"n{number}", f"10.0.0.{number}", f"10.0.0.{number}", "root", 22, "KEY", "ssh-ed25519 A", stack="t-t"
            )
            args = HostArgs(
                peer=f"10.0.0.{3 - number}",
                storage_server="s",
                storage_export="/",
                mount_point="/m",
                mount_options="o",
                accelerator=AcceleratorArgs(kind=kind, count=1),
            )
            host = DockerHost(machine.name, machine=machine, args=args)
            hosts.append(host)
            for name, accelerated in (("engine", True), ("gateway", False)):
                container = Workload(image="i", entrypoint=["x"], command=[], accelerated=accelerated)
                host.run(f"{machine.name}-{name}", container, opts=pulumi.ResourceOptions())
        if kind != "cpu":
            collective = CollectiveCheck(
                "collective", nodes=[Node(host, 1, image, {}) for host, image in zip(hosts, "ab", strict=True)]
            )
            return pulumi.Output.all(collective.bandwidth, collective.transports).apply(bandwidth.extend)
        return None

    run()
    return monitor.seen, bandwidth


def before(seen, name) -> set[str]:
    """Names of all that must be done before, however far away."""
    found: set[str] = set()
    left = [name]
    while left:
        urns = seen[left.pop()].dependencies
        new = {urn.rsplit("::", 1)[-1] for urn in urns} - found
        found |= new
        left += [n for n in new if n in seen]
    return found


def inputs(seen, name) -> dict[str, Any]:
    return dict(MessageToDict(seen[name].object))


def test_a_processor_gets_no_stage_and_its_containers_nothing():
    seen, _ = declare("cpu")
    assert not [name for name in seen if "nvidia" in name or "ascend" in name or "collective" in name]
    engine = inputs(seen, "n1-engine")
    assert not {"gpus", "deviceRequests", "devices"} & engine.keys()
    assert engine["envs"] == []


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("cpu", "facts tuning packages storage"),
        ("nvidia", "facts tuning nvidia-driver packages storage nvidia-toolkit nvidia-proof"),
        ("ascend", "facts tuning packages storage ascend"),
    ],
)
def test_what_reboots_comes_before_what_a_reboot_would_break(kind, order):
    """The driver's stage reboots the machine, the toolkit's restarts Docker; images and containers wait for all."""
    seen, _ = declare(kind)
    stages = step_environment(seen["n1-prepare-run"])["STAGES"].split()
    assert [stage.partition(":")[0] for stage in stages] == order.split()
    assert "n1-prepare-done" in before(seen, "n1-docker")
    assert "n1-docker" in seen["n1-engine"].provider


def test_all_machines_are_prepared_before_their_accelerators_meet():
    seen, bandwidth = declare("nvidia")
    assert {f"n{n}-prepare-done" for n in (1, 2)} | {"n1-collective-names-run"} <= before(seen, "n2-collective-run")
    assert bandwidth == [12.5, "NET/IB"]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (
            "nvidia",
            {
                "requests": [{"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}],
                "devices": ["/dev/infiniband"],
                "volumes": [],
                "envs": ["NCCL_IB_DISABLE=0", "NCCL_IB_HCA==mlx5_0"],
            },
        ),
        (
            "ascend",
            {
                "requests": None,
                "devices": ["/dev/davinci0", "/dev/davinci_manager"],
                "envs": [],
                "volumes": [
                    "/usr/local/dcmi",
                    "/usr/local/bin/npu-smi",
                    "/usr/local/Ascend/driver",
                    "/etc/ascend_install.info",
                    "/etc/hccn.conf",
                ],
            },
        ),
    ],
)
def test_only_what_computes_gets_the_accelerators(kind, wanted):
    seen, _ = declare(kind)
    engine, gateway = inputs(seen, "n1-engine"), inputs(seen, "n1-gateway")
    found = {
        "requests": engine.get("deviceRequests"),
        "devices": [device["hostPath"] for device in engine["devices"]],
        "envs": engine["envs"],
        "volumes": [volume["hostPath"] for volume in engine["volumes"]],
    }
    assert found == wanted
    assert {*engine["capabilities"]["adds"]} - {*gateway["capabilities"]["adds"]} == {"CAP_IPC_LOCK"}
    assert not {"gpus", "deviceRequests", "devices"} & gateway.keys()
    assert gateway["volumes"] == []


def test_containers_have_no_capability_that_they_do_not_need():
    seen, _ = declare("nvidia")
    for name in ("n1-engine", "n1-gateway"):
        container = inputs(seen, name)
        assert container["capabilities"]["drops"] == ["ALL"]
        assert not {"CAP_NET_RAW", "CAP_MKNOD", "CAP_SETPCAP"} & {*container["capabilities"]["adds"]}
        assert "no-new-privileges" in container["securityOpts"]


def test_ascend_machines_compare_names_before_they_meet():
    seen, _ = declare("ascend")
    assert "n1-collective-names-run" in before(seen, "n1-collective-run")
