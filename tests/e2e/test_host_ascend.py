"""The Ascend checks of a host on a real machine without an accelerator: its driver and npu-smi are the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.gpu_packages import FAKES
from tests.e2e.host_machine import HostMachine

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

TOLD = {
    "COUNT": "2", "DRIVER_MINIMUM": "24.1", "SEVERAL": "yes", "SYSFS": "/opt/fake-sys", "DEV": "/opt/fake-dev",
    "ASCEND": "/opt/fake-ascend",
}  # fmt: skip
CASES = {
    "no-accelerator": ("rm -r /opt/fake-sys", {}, "PCI bus has no Ascend accelerator"),
    "no-driver": ("rm /opt/fake-ascend/driver/version.info", {}, "install the Ascend HDK driver"),
    "no-firmware": ("rm /opt/fake-ascend/firmware/version.info", {}, "install the Ascend HDK firmware"),
    "old-driver": (
        "echo Version=23.0.6 > /opt/fake-ascend/driver/version.info", {}, "Ascend driver 23.0.6 is too old",
    ),
    "no-npu-smi": ("rm /usr/local/bin/npu-smi", {}, "npu-smi is not on PATH"),
    "driver-not-running": ("echo dcmi > /etc/fake-npu-fault", {}, "npu-smi fails: dcmi module initialize failed"),
    "unhealthy": ("echo alarm > /etc/fake-npu-fault", {}, "an accelerator is not healthy ( 1 910B3 Alarm"),
    "one-missing": ("rm /opt/fake-dev/davinci1", {}, "2 accelerators are expected, the PCI bus has 2 and"),
    "no-manager": ("rm /opt/fake-dev/hisi_hdc", {}, "hisi_hdc is not there"),
    "no-addresses": ("rm /etc/hccn.conf", {}, "/etc/hccn.conf is not there"),
    "an-address-missing": ("sed -i /address_1/d /etc/hccn.conf", {}, "gives 1 of 2 accelerators an address"),
    "a-port-down": (
        "sed -i s/UP/DOWN/ /opt/fake-ascend/driver/tools/hccn_tool", {}, "port of accelerator 0 is not up",
    ),
    "one-machine-needs-no-addresses": ("rm /etc/hccn.conf", {"SEVERAL": "no"}, ""),
    "good": ("true", {}, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostMachine]:
    machine = HostMachine(tmp_path_factory.mktemp("host"), 2, [f"{FAKES}:/opt/fakes"])
    try:
        yield machine
    finally:
        machine.close()


@pytest.mark.parametrize("name", CASES)
def test_a_servers_state_and_what_is_said_of_it(host: HostMachine, name: str) -> None:
    before, told, says = CASES[name]
    host.ok(f"bash /opt/fakes/ascend.sh; {before}")
    outcomes = [host.run("ascend", ("pci.py",), {**TOLD, **told}) for _ in range(2)]
    assert outcomes[0] == outcomes[1]
    assert says in outcomes[0].error, outcomes[0]
    if not says:
        devices = ["davinci0", "davinci1", "davinci_manager", "devmm_svm", "hisi_hdc"]
        assert outcomes[0].result["devices"].split(",") == [f"/opt/fake-dev/{device}" for device in devices]
        assert outcomes[0].result["driver"] == "24.1.rc3"
