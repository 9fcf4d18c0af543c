"""The NVIDIA stages of a host on a real machine: real systemd, apt, SSH and reboots; no GPU.

The PCI tree, the kernel's modules, `nvidia-smi` and the packages are the tests' own (gpu_packages.py): they behave as
the real ones in each state. So these tests prove what the scripts do in a state, not that a driver drives a GPU.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.e2e.gpu_packages import BOTH, DRIVER_ONLY, FAKES, OLD, write_archive
from tests.e2e.host_machine import HostMachine, Outcome, kernel

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

DRIVER_FILES = ("apt.sh", "nvidia_state.sh", "pci.py", "drivers.py")
PACKAGES_FILES = ("apt.sh", "daemon_json.py")
NO_REGISTRIES = {"CONTAINERS": "yes", "REGISTRY_MIRRORS": "", "INSECURE_REGISTRIES": ""}
PROOF_FILES = ("nvidia_state.sh", "pci.py", "rails.py")
L20, H20, V100, B200 = "0x26ba", "0x2329", "0x1db6", "0x2901"
OPEN = "nvidia-headless-580-server-open=580.126.09-0ubuntu0.24.04.1 nvidia-utils-580-server=580.126.09-0ubuntu0.24.04.1"
WITH_FABRIC = (
    "nvidia-headless-580-server-open=580.95.05-0ubuntu0.24.04.1 nvidia-utils-580-server=580.95.05-0ubuntu0.24.04.1 "
    "nvidia-fabricmanager-580=580.95.05-0ubuntu0.24.04.1"
)
HEADERS = f"linux-headers-{kernel()}"
INSTALL_535 = (
    "apt-get -qq update; apt-get -qq install -y --no-install-recommends "
    f"nvidia-headless-535-server-open nvidia-utils-535-server {HEADERS} >/dev/null"
)
LOAD = "modprobe nvidia"


@dataclass(frozen=True)
class Case:
    """A machine's state, what the step does to it, and what it says.

    Attributes:
        name: the test's.
        gpus: PCI device ids, one a GPU.
        before: commands that make the state.
        told: what differs from the usual: four GPUs' worth of CUDA 13 from packages.
        transactions: what apt was asked for, in order, without its options.
        boots: reboots.
        result: what the step reports (a part of it).
        fails: a part of the sentence, when it fails.
        held: packages that are held after it.
    """

    name: str
    gpus: tuple[str, ...] = (L20, L20)
    switches: int = 0
    before: str = "true"
    told: dict[str, str] = field(default_factory=dict)
    transactions: tuple[str, ...] = ()
    boots: int = 0
    result: dict[str, str] = field(default_factory=dict)
    fails: str = ""
    held: tuple[str, ...] = ()


CASES = [
    Case(
        "bare",
        transactions=(f"{HEADERS} {OPEN}",),
        result={"driver": DRIVER_ONLY, "gpus": "2"},
        held=("nvidia-headless-580-server-open", "nvidia-utils-580-server", "nvidia-dkms-580-server-open", HEADERS),
    ),
    Case(
        "nouveau-has-the-gpus",
        before="mkdir -p /opt/fake-sys/module/nouveau",
        boots=1,
        transactions=(f"{HEADERS} {OPEN}",),
        result={"driver": DRIVER_ONLY},
    ),
    Case(
        "nvswitches-get-one-version-of-both",
        gpus=(H20,) * 8,
        switches=4,
        transactions=(f"{HEADERS} {WITH_FABRIC}",),
        result={"driver": BOTH, "gpus": "8", "fabric": "yes"},
        held=("nvidia-fabricmanager-580",),
    ),
    Case(
        "blackwell-wants-open-modules",
        gpus=(B200,),
        told={"CUDA": "12.8"},
        result={"modules": "open"},
        transactions=(f"{HEADERS} {OPEN}",),
    ),
    Case(
        "volta-wants-proprietary-modules",
        gpus=(V100,),
        told={"CUDA": "12.8"},
        result={"modules": "proprietary"},
        transactions=(f"{HEADERS} {OPEN.replace('-open', '')}",),
    ),
    Case("volta-under-cuda-13", gpus=(V100,), fails="Volta GPUs are not supported by CUDA 13; use an engine image of"),
    Case(
        "a-working-driver-is-left-alone",
        before=f"{INSTALL_535}; {LOAD}",
        told={"CUDA": "12.8"},
        result={"driver": OLD},
    ),
    Case(
        "a-working-driver-too-old",
        before=f"{INSTALL_535}; {LOAD}",
        boots=1,
        transactions=(f"{HEADERS} {OPEN}",),
        result={"driver": DRIVER_ONLY},
    ),
    Case(
        "too-old-and-held-by-the-user",
        before=f"{INSTALL_535}; {LOAD}; apt-mark hold nvidia-utils-535-server",
        fails="nvidia-utils-535-server is held and would have to change; free it with `apt-mark unhold",
    ),
    Case(
        "too-old-and-from-a-run-file",
        before=f"{INSTALL_535}; {LOAD}; install -m 755 /dev/null /usr/bin/nvidia-uninstall",
        fails="run `nvidia-uninstall --silent`",
    ),
    Case("installed-and-not-loaded", before=INSTALL_535, told={"CUDA": "12.8"}, result={"driver": OLD}),
    Case(
        "an-upgrade-waits-for-a-reboot",
        before=f"{INSTALL_535}; {LOAD}; echo 535.1.1 open > /run/fake-gpu/module",
        told={"CUDA": "12.8"},
        boots=1,
        result={"driver": OLD},
    ),
    Case(
        "a-reboot-does-not-help",
        before=f"{INSTALL_535}; {LOAD}; echo 535.1.1 open | tee /usr/lib/fake-gpu/module > /run/fake-gpu/module",
        told={"CUDA": "12.8"},
        boots=1,
        fails="after a reboot still: the kernel still has the driver of before",
    ),
    Case(
        "fabric-manager-for-a-driver-that-is-there",
        gpus=(H20,) * 2,
        switches=2,
        before=f"{INSTALL_535}; {LOAD}",
        told={"CUDA": "12.8"},
        transactions=(f"nvidia-fabricmanager-535={OLD}-0ubuntu0.24.04.1",),
        result={"driver": OLD, "fabric": "yes"},
    ),
    Case("no-gpu-on-the-bus", gpus=(), fails="PCI bus has no NVIDIA GPU"),
    Case("fewer-gpus-than-told", told={"COUNT": "4"}, fails="PCI bus has 2 NVIDIA GPUs and 4 are expected"),
    Case(
        "a-gpu-fell-off-the-bus",
        before=f"{INSTALL_535}; {LOAD}; echo lost > /etc/fake-gpu/fault",
        told={"CUDA": "12.8"},
        fails="a GPU has fallen off the bus",
    ),
    Case(
        "no-such-branch-anywhere",
        told={"BRANCH": "590"},
        fails="no archive of this machine has a driver of branch 590",
    ),
    Case("driver-is-to-be-there-and-is-not", told={"DRIVER": "present"}, fails="the driver is set to present"),
    Case(
        "secure-boot",
        before="mkdir -p /opt/fake-sys/firmware/efi/efivars; printf '\\6\\0\\0\\0\\1' > "
        "/opt/fake-sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        fails="Secure Boot is on",
    ),
    Case(
        "alibabas-installer",
        told={
            "DRIVER": "alibaba",
            "ALIBABA_VERSIONS": "535.274.02 12.4.1 9.2.0",
            "CUDA": "12.8",
            "METADATA": "http://127.0.0.1:8099/latest/meta-data",
        },
        before="bash /opt/fakes/metadata.sh",
        transactions=("nvidia-headless-535-server-open nvidia-utils-535-server",),
        result={"driver": OLD},
    ),
]


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
        "COUNT": str(len(case.gpus) or 2), "CUDA": "13.0", "BRANCH": "", "DRIVER": "packages", "DRIVER_REPOSITORY": "",
        "ALIBABA_VERSIONS": "", "SYSFS": "/opt/fake-sys",
    }  # fmt: skip
    return host.run("nvidia_driver", DRIVER_FILES, {**usual, **case.told})


def transactions(host: HostMachine) -> list[str]:
    """What apt was asked to install since the last reset, without options."""
    log = host.ok("cat /var/log/apt/history.log 2>/dev/null || true")
    asked = [line.split(" install ", 1)[1] for line in log.splitlines() if line.startswith("Commandline:")]
    return [" ".join(word for word in line.split() if not word.startswith("-")) for line in asked]


def state(host: HostMachine) -> str:
    """All that a second run must leave as it is."""
    return host.ok("bash /opt/fakes/state.sh")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
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
    outcome = drive(host, CASES[0])
    assert not outcome.error
    conf = "/etc/modules-load.d/tandem-nvidia-peermem.conf"
    assert host.ok(f"ls -d /opt/fake-sys/module/nvidia_peermem; cat {conf}").split()[1] == "nvidia-peermem"
    host.leave()
    assert host.ok(f"apt-mark showhold; ls {conf} /etc/apt/preferences.d/tandem-nvidia 2>/dev/null || true") == ""
    assert "nvidia-headless-580-server-open" in host.ok("dpkg-query -W 'nvidia-headless*'")


FABRIC_535 = f"{INSTALL_535} nvidia-fabricmanager-535; {LOAD}".replace(" >/dev/null nvidia-f", " nvidia-f")
START_FABRIC = "systemctl start nvidia-fabricmanager"
UP = (
    "P=/opt/fake-sys/class/infiniband/mlx5_0/ports/1; mkdir -p $P; echo '4: ACTIVE' >$P/state; "
    "echo InfiniBand >$P/link_layer; echo '400 Gb/sec (4X NDR)' >$P/rate"
)
PROOFS = [
    Case("good", before=f"{INSTALL_535}; {LOAD}", result={"gpus": "2", "fabric": "no", "hca": "", "infiniband": "no"}),
    Case(
        "good-with-fabric",
        gpus=(H20,) * 8,
        switches=4,
        before=f"{FABRIC_535}; {START_FABRIC}",
        result={"gpus": "8", "fabric_state": "State:Completed,Status:Success"},
    ),
    Case("not-loaded", before=INSTALL_535, fails="the driver does not work (unloaded"),
    Case(
        "library-of-another-version",
        before=f"{INSTALL_535}; {LOAD}; echo 535.1.1 open > /run/fake-gpu/module",
        fails="an older driver is loaded than is installed",
    ),
    Case(
        "one-gpu-gone",
        before=f"{INSTALL_535}; {LOAD}; echo gone > /etc/fake-gpu/fault",
        fails="2 GPUs are expected, the PCI bus has 2 and the driver sees 1",
    ),
    Case(
        "one-gpu-lost", before=f"{INSTALL_535}; {LOAD}; echo lost > /etc/fake-gpu/fault", fails="has fallen off the bus"
    ),
    Case(
        "memory-errors",
        before=f"{INSTALL_535}; {LOAD}; echo ecc > /etc/fake-gpu/fault",
        fails="GPU 1 counts 7 uncorrected memory errors",
    ),
    Case(
        "row-waits-for-a-reset",
        before=f"{INSTALL_535}; {LOAD}; echo pending > /etc/fake-gpu/fault",
        fails="waits for a reset to put bad memory aside",
    ),
    Case(
        "fabric-manager-stopped",
        gpus=(H20,) * 2,
        switches=2,
        before=FABRIC_535,
        fails="Fabric Manager does not run, so CUDA ends with error 802",
    ),
    Case(
        "fabric-manager-of-another-version",
        gpus=(H20,) * 2,
        switches=2,
        before=f"{FABRIC_535}; {START_FABRIC}; echo 535.1.1 > /usr/lib/fake-gpu/fabric",
        fails="Fabric Manager is 535.1.1 and the driver 535.274.02, so CUDA ends with error 802",
    ),
    Case(
        "fabric-never-ready",
        gpus=(H20,) * 2,
        switches=2,
        before=f"{FABRIC_535}; {START_FABRIC}; echo fabric > /etc/fake-gpu/fault",
        fails="have not joined the NVSwitch fabric after 3 s (State:In_Progress",
    ),
    Case(
        "rdma-without-its-device-files",
        before=f"{INSTALL_535}; {LOAD}; {UP}",
        fails="RDMA devices =mlx5_0 are there and /dev/infiniband is not",
    ),
    Case(
        "rdma",
        before=f"{INSTALL_535}; {LOAD}; {UP}; mkdir -p /dev/infiniband",
        result={"hca": "=mlx5_0", "infiniband": "yes", "peermem": "no"},
    ),
]


@pytest.mark.parametrize("case", PROOFS, ids=lambda case: case.name)
def test_proof_that_gpus_work_or_a_sentence(host: HostMachine, case: Case) -> None:
    """The proof changes nothing, whatever it finds."""
    reset(host, case)
    before = state(host)
    told = {"COUNT": str(len(case.gpus)), "HCAS": "", "SYSFS": "/opt/fake-sys", "FABRIC_SECONDS": "3"}
    outcome = host.run("nvidia_proof", PROOF_FILES, told)
    host.ok("rmdir /dev/infiniband 2>/dev/null || true")
    assert case.fails in outcome.error, outcome
    assert bool(case.fails) == bool(outcome.error), outcome
    assert {key: outcome.result.get(key) for key in case.result} == case.result
    assert state(host) == before


def test_docker_gets_the_runtime_and_a_container_runs_with_all_gpus(host: HostMachine) -> None:
    """Real Docker and runc; the toolkit is a package of our own. The collective's container answers from a stand-in."""
    reset(host, CASES[0])
    assert not host.run("packages", PACKAGES_FILES, NO_REGISTRIES).error
    told = {"TOOLKIT_REPOSITORY": "http://127.0.0.1:1", "NVITOP": "no", "PIP_INDEX": ""}
    assert host.run("nvidia_toolkit", ("apt.sh",), told).result == {"toolkit": "1.18.0"}
    before = state(host)
    assert host.run("nvidia_toolkit", ("apt.sh",), told).result == {"toolkit": "1.18.0"}
    assert host.run("packages", PACKAGES_FILES, NO_REGISTRIES).error == ""
    assert state(host) == before
    host.ok("bash /opt/fakes/image.sh")
    collective = {
        "STACK_CONTAINER": "tandem-host-collective", "IMAGE": "stand-in:1", "NODES": "1", "NODE_RANK": "0", "COUNT": "2",
        "ADDRESS": host.address, "PORT": "29417", "BACKEND": "nccl", "MIB": "1", "NETWORK": "NCCL_IB_DISABLE=1",
        "DOCKER_OPTIONS": "--gpus=all --cap-add=CAP_IPC_LOCK",
    }  # fmt: skip
    outcome = host.run("collective", ("collective.py",), collective)
    assert outcome.result == {"ranks": "2", "bus_gb_per_s": "1.5", "transports": "NET/Socket"}
    outcome = host.run("collective", ("collective.py",), {**collective, "COUNT": "9"})
    assert "collective: the container sees 2 accelerators, not 9" in outcome.error
    assert host.ok("docker ps --all --quiet") == ""
