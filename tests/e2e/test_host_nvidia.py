"""The NVIDIA stages of a host on a real machine: real systemd, apt, SSH and reboots; no GPU.

The PCI tree, the kernel's modules, `nvidia-smi` and the packages are the tests' own (gpu_packages.py): they behave as
the real ones in each state. So these tests prove what the scripts do in a state, not that a driver drives a GPU.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.gpu_cases import DRIVERS, HEADERS, PROOFS, Case
from tests.e2e.gpu_packages import FAKES, write_archive
from tests.support.host_machine import HostMachine, Outcome, kernel

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

DRIVER_FILES = ("package_manager.sh", "nvidia_state.sh", "pci.py", "drivers.py")
PACKAGES_FILES = ("package_manager.sh", "daemon_json.py")
COLLECTIVE_FILES = ("collective.py", "runtime.sh=docker.sh")
NO_REGISTRIES = {"CONTAINERS": "yes", "DOCKER_PACKAGES": "", "REGISTRY_MIRRORS": "", "INSECURE_REGISTRIES": ""}
PROOF_FILES = ("nvidia_state.sh", "pci.py", "rails.py")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostMachine]:
    archive = tmp_path_factory.mktemp("archive")
    write_archive(archive, kernel())
    script = archive / "cloud/opsx/ecs/linux/binary/script/auto_install_v4.0.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(FAKES / script.name, script)
    meta = archive / "cloud/latest/meta-data/source-address"
    meta.parent.mkdir(parents=True)
    meta.write_text("http://127.0.0.1:8099\n")
    machine = HostMachine(tmp_path_factory.mktemp("host"), 1, [f"{archive}:/opt/archive", f"{FAKES}:/opt/fakes"])
    try:
        machine.ok("bash /opt/fakes/prepare.sh")
        yield machine
    finally:
        machine.close()


def reset(host: HostMachine, case: Case) -> None:
    """A machine without a driver, with the case's PCI bus and state."""
    host.ok(f"bash /opt/fakes/reset.sh\n{_bus(case)}{case.before}\nrm -f /var/log/apt/history.log")


def _bus(case: Case) -> str:
    lines = []
    devices = [(device, "0x030200") for device in case.gpus] + [("0x22a3", "0x068000")] * case.switches
    for number, (device, kind) in enumerate(devices):
        folder = f"/opt/fake-sys/bus/pci/devices/0000:{number + 1:02x}:00.0"
        lines.append(
            f"mkdir -p {folder}; cd {folder}; echo 0x10de >vendor; echo {device} >device; echo {kind} >class\n"
        )
    return "".join(lines)


def drive(host: HostMachine, case: Case) -> Outcome:
    usual = {
        "COUNT": str(len(case.gpus) or 2),
        "CUDA": "13.0",
        "BRANCH": "",
        "DRIVER": "packages",
        "DRIVER_REPOSITORY": "",
        "ALIBABA_VERSIONS": "",
        "SYSFS": "/opt/fake-sys",
    }
    return host.run("nvidia_driver", DRIVER_FILES, {**usual, **case.environment})


def transactions(host: HostMachine) -> list[str]:
    """What apt was asked to install since the last reset, without options."""
    log = host.ok("cat /var/log/apt/history.log 2>/dev/null || true")
    packages = [line.split(" install ", 1)[1] for line in log.splitlines() if line.startswith("Commandline:")]
    return [" ".join(word for word in line.split() if not word.startswith("-")) for line in packages]


DEFAULT = {
    "bare",
    "nouveau-has-the-gpus",
    "a-working-driver-is-left-alone",
    "a-reboot-does-not-help",
    "good",
    "not-loaded",
}
"""Cases of every run; the choice in each of the others is made without a machine in test_host_choices.py."""


def each(cases: list[Case]) -> list[Any]:
    """The cases as parameters, long but for those of every run."""
    return [pytest.param(one, id=one.name, marks=() if one.name in DEFAULT else pytest.mark.long) for one in cases]


def state(host: HostMachine) -> str:
    """All that a second run must leave as it is."""
    return host.ok("bash /opt/fakes/state.sh")


@pytest.mark.parametrize("case", each(DRIVERS))
def test_a_machines_state_and_what_becomes_of_it(host: HostMachine, case: Case) -> None:
    reset(host, case)
    boots = host.machine.facts()["boots"]
    first = drive(host, case)
    assert case.fails in first.error, first
    assert bool(case.fails) == bool(first.error), first
    assert {key: first.result.get(key) for key in case.result} == case.result
    install = [line for line in transactions(host) if line != HEADERS]
    assert install == list(case.transactions)
    assert host.machine.facts()["boots"] - boots == case.boots
    if not case.fails:
        assert set(case.held) <= set(host.ok("apt-mark showhold").split())
        before = state(host)
        second = drive(host, case)
        assert second == first
        assert state(host) == before, "the second run changed something"


def test_gpus_and_rdma_devices_reach_each_others_memory(host: HostMachine) -> None:
    """nvidia-peermem is loaded, now and at boot; destroying the stack takes the second back, and every hold."""
    reset(host, Case("rdma", before="mkdir -p /opt/fake-sys/class/infiniband/mlx5_0/ports/1"))
    outcome = drive(host, DRIVERS[0])
    assert not outcome.error
    conf = "/etc/modules-load.d/tandem-nvidia-peermem.conf"
    assert host.ok(f"ls -d /opt/fake-sys/module/nvidia_peermem; cat {conf}").split()[1] == "nvidia-peermem"
    host.cleanup()
    assert host.ok(f"apt-mark showhold; ls {conf} /etc/apt/preferences.d/tandem-nvidia 2>/dev/null || true") == ""
    assert "nvidia-headless-580-server-open" in host.ok("dpkg-query -W 'nvidia-headless*'")


@pytest.mark.parametrize("case", each(PROOFS))
def test_proof_that_gpus_work_or_a_sentence(host: HostMachine, case: Case) -> None:
    """The proof changes nothing, whatever it finds."""
    reset(host, case)
    before = state(host)
    environment = {"COUNT": str(len(case.gpus)), "HCAS": "", "SYSFS": "/opt/fake-sys", "FABRIC_SECONDS": "3"}
    outcome = host.run("nvidia_proof", PROOF_FILES, environment)
    host.ok("rmdir /dev/infiniband 2>/dev/null || true")
    assert case.fails in outcome.error, outcome
    assert bool(case.fails) == bool(outcome.error), outcome
    assert {key: outcome.result.get(key) for key in case.result} == case.result
    assert state(host) == before


def test_docker_gets_the_runtime_and_a_container_runs_with_all_gpus(host: HostMachine) -> None:
    """Real Docker and runc; the toolkit is a package of our own. The collective's container answers from a stand-in."""
    reset(host, DRIVERS[0])
    assert not host.run("packages", PACKAGES_FILES, NO_REGISTRIES).error
    environment = {"TOOLKIT_REPOSITORY": "http://127.0.0.1:1", "NVITOP": "", "PIP_INDEX": ""}
    assert host.run("nvidia_toolkit", ("package_manager.sh", "pip.sh"), environment).result == {"toolkit": "1.18.0"}
    before = state(host)
    assert host.run("nvidia_toolkit", ("package_manager.sh", "pip.sh"), environment).result == {"toolkit": "1.18.0"}
    assert host.run("packages", PACKAGES_FILES, NO_REGISTRIES).error == ""
    assert state(host) == before
    host.ok("bash /opt/fakes/image.sh")
    collective = {
        "STACK_CONTAINER": "tandem-host-collective",
        "IMAGE": "stand-in:1",
        "NODES": "1",
        "NODE_RANK": "0",
        "COUNT": "2",
        "ADDRESS": host.address,
        "PORT": "29417",
        "BACKEND": "nccl",
        "MIB": "1",
        "RUN_ENVIRONMENT": "NCCL_IB_DISABLE=1",
        "RUN_OPTIONS": "--gpus=all\n--cap-add=CAP_IPC_LOCK",
    }
    outcome = host.run("collective", COLLECTIVE_FILES, collective)
    assert outcome.result == {"ranks": "2", "bus_gb_per_s": "1.5", "transports": "NET/Socket"}, outcome
    outcome = host.run("collective", COLLECTIVE_FILES, {**collective, "COUNT": "9"})
    assert "collective: the container sees 2 accelerators, not 9" in outcome.error
    assert host.ok("docker ps --all --quiet") == ""
