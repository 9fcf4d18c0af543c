"""States of machines with NVIDIA GPUs, what the host's scripts do there and say: the data of test_host_nvidia.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.e2e.gpu_packages import BOTH, DRIVER_ONLY, OLD
from tests.support.host_machine import kernel

L20, H20, V100, B200, RTX4090 = "0x26ba", "0x2329", "0x1db6", "0x2901", "0x2684"
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
        environment: what differs from the usual: four GPUs' worth of CUDA 13 from packages.
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
    environment: dict[str, str] = field(default_factory=dict)
    transactions: tuple[str, ...] = ()
    boots: int = 0
    result: dict[str, str] = field(default_factory=dict)
    fails: str = ""
    held: tuple[str, ...] = ()


DRIVERS = [
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
        environment={"CUDA": "12.8"},
        result={"modules": "open"},
        transactions=(f"{HEADERS} {OPEN}",),
    ),
    Case(
        "volta-wants-proprietary-modules",
        gpus=(V100,),
        environment={"CUDA": "12.8"},
        result={"modules": "proprietary"},
        transactions=(f"{HEADERS} {OPEN.replace('-open', '')}",),
    ),
    Case("volta-under-cuda-13", gpus=(V100,), fails="Volta GPUs are not supported by CUDA 13; use an engine image of"),
    Case(
        "a-working-driver-is-left-alone",
        before=f"{INSTALL_535}; {LOAD}",
        environment={"CUDA": "12.8"},
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
        "an-older-driver-than-the-branch-asked-for",
        before=f"{INSTALL_535}; {LOAD}",
        environment={"CUDA": "12.8", "BRANCH": "580"},
        boots=1,
        transactions=(f"{HEADERS} {OPEN}",),
        result={"driver": DRIVER_ONLY},
    ),
    Case(
        "a-geforce-under-a-newer-cuda-12",
        gpus=(RTX4090, RTX4090),
        before=f"{INSTALL_535}; {LOAD}",
        environment={"CUDA": "12.8", "DRIVER": "present"},
        fails="CUDA 12.8 needs driver branch 570 or newer on these GPUs, this machine has 535.274.02",
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
    Case("installed-and-not-loaded", before=INSTALL_535, environment={"CUDA": "12.8"}, result={"driver": OLD}),
    Case(
        "an-upgrade-waits-for-a-reboot",
        before=f"{INSTALL_535}; {LOAD}; echo 535.1.1 open > /run/fake-gpu/module",
        environment={"CUDA": "12.8"},
        boots=1,
        result={"driver": OLD},
    ),
    Case(
        "a-reboot-does-not-help",
        before=f"{INSTALL_535}; {LOAD}; echo 535.1.1 open | tee /usr/lib/fake-gpu/module > /run/fake-gpu/module",
        environment={"CUDA": "12.8"},
        boots=1,
        fails="after a reboot still: the kernel still has the driver of before",
    ),
    Case(
        "fabric-manager-for-a-driver-that-is-there",
        gpus=(H20,) * 2,
        switches=2,
        before=f"{INSTALL_535}; {LOAD}",
        environment={"CUDA": "12.8"},
        transactions=(f"nvidia-fabricmanager-535={OLD}-0ubuntu0.24.04.1",),
        result={"driver": OLD, "fabric": "yes"},
    ),
    Case("no-gpu-on-the-bus", gpus=(), fails="PCI bus has no NVIDIA GPU"),
    Case("fewer-gpus-than-expected", environment={"COUNT": "4"}, fails="PCI bus has 2 NVIDIA GPUs and 4 are expected"),
    Case(
        "a-gpu-fell-off-the-bus",
        before=f"{INSTALL_535}; {LOAD}; echo lost > /etc/fake-gpu/fault",
        environment={"CUDA": "12.8"},
        fails="a GPU has fallen off the bus",
    ),
    Case(
        "no-such-branch-anywhere",
        environment={"BRANCH": "590"},
        fails="no archive of this machine has a driver of branch 590",
    ),
    Case("driver-is-to-be-there-and-is-not", environment={"DRIVER": "present"}, fails="accelerator.driver is present"),
    Case(
        "secure-boot",
        before="mkdir -p /opt/fake-sys/firmware/efi/efivars; printf '\\6\\0\\0\\0\\1' > "
        "/opt/fake-sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        fails="Secure Boot is on",
    ),
    Case(
        "alibabas-installer",
        environment={
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


FABRIC_535 = f"{INSTALL_535} nvidia-fabricmanager-535; {LOAD}"
START_FABRIC = "bash /opt/fakes/start-fabric.sh"
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


ASCEND = {
    "no-accelerator": ("rm -r /opt/fake-sys", {}, "PCI bus has no Ascend accelerator"),
    "no-driver": ("rm /opt/fake-ascend/driver/version.info", {}, "install the Ascend HDK driver"),
    "no-firmware": ("rm /opt/fake-ascend/firmware/version.info", {}, "install the Ascend HDK firmware"),
    "old-driver": (
        "echo Version=23.0.6 > /opt/fake-ascend/driver/version.info",
        {},
        "Ascend driver 23.0.6 is too old",
    ),
    "no-npu-smi": ("rm /usr/local/bin/npu-smi", {}, "npu-smi is not on PATH"),
    "driver-not-running": ("echo dcmi > /etc/fake-npu-fault", {}, "npu-smi fails: dcmi module initialize failed"),
    "unhealthy": ("echo alarm > /etc/fake-npu-fault", {}, "an accelerator is not healthy ( 1 910B3 Alarm"),
    "one-missing": ("rm /opt/fake-dev/davinci1", {}, "2 accelerators are expected, the PCI bus has 2 and"),
    "no-manager": ("rm /opt/fake-dev/hisi_hdc", {}, "hisi_hdc is not there"),
    "no-addresses": ("rm /etc/hccn.conf", {}, "/etc/hccn.conf is not there"),
    "an-address-missing": ("sed -i /address_1/d /etc/hccn.conf", {}, "gives 1 of 2 accelerators an address"),
    "a-port-down": (
        "sed -i s/UP/DOWN/ /opt/fake-ascend/driver/tools/hccn_tool",
        {},
        "port of accelerator 0 is not up",
    ),
    "one-machine-needs-no-addresses": ("rm /etc/hccn.conf", {"SEVERAL": "no"}, ""),
    "good": ("true", {}, ""),
}
