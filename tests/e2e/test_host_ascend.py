"""The Ascend checks of a host on a real machine without an accelerator: its driver and npu-smi are the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.gpu_cases import ASCEND
from tests.e2e.gpu_packages import FAKES
from tests.support.host_machine import HostMachine

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

TOLD = {
    "COUNT": "2",
    "DRIVER_MINIMUM": "24.1",
    "SEVERAL": "yes",
    "SYSFS": "/opt/fake-sys",
    "DEV": "/opt/fake-dev",
    "ASCEND": "/opt/fake-ascend",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostMachine]:
    machine = HostMachine(tmp_path_factory.mktemp("host"), 2, [f"{FAKES}:/opt/fakes"])
    try:
        yield machine
    finally:
        machine.close()


@pytest.mark.parametrize("name", ASCEND)
def test_a_servers_state_and_what_is_said_of_it(host: HostMachine, name: str) -> None:
    before, environment, says = ASCEND[name]
    host.ok(f"bash /opt/fakes/ascend.sh; {before}")
    outcomes = [host.run("ascend", ("pci.py",), {**TOLD, **environment}) for _ in range(2)]
    assert outcomes[0] == outcomes[1]
    assert says in outcomes[0].error, outcomes[0]
    if not says:
        devices = ["davinci0", "davinci1", "davinci_manager", "devmm_svm", "hisi_hdc"]
        assert outcomes[0].result["devices"].split(",") == [f"/opt/fake-dev/{device}" for device in devices]
        assert outcomes[0].result["driver"] == "24.1.rc3"
