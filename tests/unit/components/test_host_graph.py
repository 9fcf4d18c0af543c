"""What a host declares for each kind of accelerator, seen through Pulumi's mocks: order, and what containers get."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks

from components.containers import run_container
from components.host import AcceleratorArgs, Collective, Host, HostArgs
from components.machine import Machine
from components.workload import Workload

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
            machine = Machine(f"n{number}", f"10.0.0.{number}", f"10.0.0.{number}", "root", 22, "KEY", "ssh-ed25519 A")
            args = HostArgs(
                peer=f"10.0.0.{3 - number}", storage_server="s", storage_export="/", mount_point="/m",
                mount_options="o", accelerator=AcceleratorArgs(kind=kind, count=1),
            )  # fmt: skip
            host = Host(machine.name, machine=machine, stack="t-t", args=args)
            hosts.append(host)
            for name, accelerated in (("engine", True), ("gateway", False)):
                container = Workload(image="i", entrypoint=["x"], command=[], accelerated=accelerated)
                run_container(
                    f"{machine.name}-{name}", host=host, stack="t-t", args=container, opts=pulumi.ResourceOptions()
                )
        if kind != "cpu":
            collective = Collective("collective", hosts=hosts, images=["a", "b"], stack="t-t")
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
    assert not {"gpus", "deviceRequests", "devices", "capabilities"} & engine.keys()
    assert engine["envs"] == []


def test_gpus_driver_then_docker_then_toolkit_then_anything_that_a_reboot_or_restart_would_break():
    seen, bandwidth = declare("nvidia")
    assert {"n1-facts-run", "n1-tuning-run"} <= before(seen, "n1-nvidia-driver-run")
    assert "n1-nvidia-driver-done" in before(seen, "n1-packages-run")
    assert {"n1-nvidia-toolkit-done", "n1-packages-done"} <= before(seen, "n1-docker")
    assert "n1-nvidia-proof-done" in before(seen, "n1-engine")
    assert "n1-nvidia-proof-done" not in before(seen, "n1-gateway")
    assert {f"n{n}-nvidia-proof-done" for n in (1, 2)} | {"n1-collective-names-run"} <= before(
        seen, "n2-collective-run"
    )
    assert bandwidth == [12.5, "NET/IB"]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("nvidia", {"requests": [{"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}],
                    "devices": ["/dev/infiniband"], "volumes": [],
                    "envs": ["NCCL_IB_DISABLE=0", "NCCL_IB_HCA==mlx5_0"]}),
        ("ascend", {"requests": None, "devices": ["/dev/davinci0", "/dev/davinci_manager"], "envs": [],
                    "volumes": ["/usr/local/dcmi", "/usr/local/bin/npu-smi", "/usr/local/Ascend/driver",
                                "/etc/ascend_install.info", "/etc/hccn.conf"]}),
    ],
)  # fmt: skip
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
    assert engine["capabilities"] == {"adds": ["CAP_IPC_LOCK"]}
    assert not {"gpus", "deviceRequests", "devices", "capabilities"} & gateway.keys()
    assert gateway["volumes"] == []


def test_ascend_machines_compare_names_before_they_meet():
    seen, _ = declare("ascend")
    assert "n1-collective-names-run" in before(seen, "n1-collective-run")
    assert "n1-ascend-done" in before(seen, "n1-collective-run")
