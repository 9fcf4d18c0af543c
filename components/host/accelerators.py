"""The accelerator stages of a host, and the access that follows from what they found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi

from components.host.accelerator import AcceleratorArgs
from components.host.access import AcceleratorAccess
from components.host.workload import Mount
from components.machine import PACKAGE_MANAGER, Stage

FILES = Path(__file__).parent / "files"
DRIVER_RULES = {"drivers.py": FILES / "drivers.py"}
"""Which driver which CUDA needs, for scripts."""
ASCEND_DRIVER_MINIMUM = "24.1"
"""Ascend HDK that CANN 8.1 and newer ask for (CANN's release notes, "version mapping")."""
ASCEND_MOUNTS = (
    "/usr/local/dcmi",
    "/usr/local/bin/npu-smi",
    "/usr/local/Ascend/driver",
    "/etc/ascend_install.info",
)
ASCEND_NETWORK = "/etc/hccn.conf"
"""What a container needs of the host's driver (seed notes and vllm-ascend's own documentation)."""

Found = pulumi.Output[dict[str, str]]
"""The host's result."""


def nvidia_driver(args: AcceleratorArgs) -> Stage:
    """Driver and Fabric Manager; may reboot the machine once, after which the step begins again."""
    return Stage(
        FILES / "nvidia_driver.sh",
        {
            **_expected(args),
            "CUDA": args.cuda,
            "BRANCH": str(args.branch or ""),
            "DRIVER": args.driver,
            "DRIVER_REPOSITORY": args.driver_repository,
            "ALIBABA_VERSIONS": " ".join(args.alibaba_versions),
        },
        {**PACKAGE_MANAGER, **DRIVER_RULES, **_files("nvidia_state.sh", "pci.py")},
        timeout=3600,
    )


def nvidia_proof(args: AcceleratorArgs) -> Stage:
    """Proof that all GPUs of the machine's bus work."""
    return Stage(
        FILES / "nvidia_proof.sh",
        {**_expected(args), "HCAS": _hcas(args)},
        _files("nvidia_state.sh", "pci.py", "rails.py"),
        timeout=600,
    )


def nvidia_driver_proof(args: AcceleratorArgs) -> Stage:
    """Proof that the GPUs work which a driver shows that others look after."""
    return Stage(
        FILES / "nvidia_driver_proof.sh",
        {**_expected(args), "CUDA": args.cuda, "HCAS": _hcas(args)},
        {**DRIVER_RULES, **_files("nvidia_state.sh", "rails.py", "pci.py")},
        timeout=300,
    )


def ascend_proof(args: AcceleratorArgs, *, several: bool) -> Stage:
    """Proof that driver, firmware and devices are there; of `several` machines their accelerators' network, too."""
    return Stage(
        FILES / "ascend.sh",
        {**_expected(args), "DRIVER_MINIMUM": ASCEND_DRIVER_MINIMUM, "SEVERAL": "yes" if several else "no"},
        _files("pci.py"),
        timeout=600,
    )


def nvidia_container_access(found: Found) -> AcceleratorAccess:
    """For containers, which the toolkit gives the GPUs."""
    return AcceleratorAccess(
        gpus=found.apply(_gpus),
        devices=found.apply(lambda result: ["/dev/infiniband"] if result.get("infiniband") == "yes" else []),
        capabilities=("CAP_IPC_LOCK",),
        environment=_rdma(found),
    )


def nvidia_process_access(args: AcceleratorArgs, found: Found) -> AcceleratorAccess:
    """For processes of the machine itself."""
    first = ",".join(str(number) for number in range(args.count))
    return AcceleratorAccess(
        environment={
            **_rdma(found),
            # Numbers as nvidia-smi has them; CUDA's own order is by speed.
            "CUDA_DEVICE_ORDER": pulumi.Output.from_input("PCI_BUS_ID"),
            "CUDA_VISIBLE_DEVICES": found.apply(lambda result: result.get("use") or first),
        }
    )


def ascend_container_access(found: Found, *, several: bool) -> AcceleratorAccess:
    """For containers: devices and the driver's folders."""
    mounted = (*ASCEND_MOUNTS, *([ASCEND_NETWORK] if several else []))
    return AcceleratorAccess(
        devices=found.apply(lambda result: [d for d in result.get("devices", "").split(",") if d]),
        mounts=tuple(Mount(path, path, read_only=True) for path in mounted),
        capabilities=("CAP_IPC_LOCK",),
    )


def _expected(args: AcceleratorArgs) -> dict[str, str]:
    return {"COUNT": str(args.count), "DEVICES": " ".join(args.devices)}


def _hcas(args: AcceleratorArgs) -> str:
    return f"={','.join(args.hcas)}" if args.hcas else ""


def _rdma(found: Found) -> dict[str, pulumi.Output[str]]:
    hca = found.apply(lambda result: result.get("hca", ""))
    return {"NCCL_IB_HCA": hca, "NCCL_IB_DISABLE": hca.apply(lambda names: "0" if names else "1")}


def _gpus(found: Mapping[str, str]) -> list[str]:
    """Those that the proof has chosen; none for all."""
    used = found.get("use", "")
    every = "MIG-" not in used and len(used.split(",")) == int(found.get("gpus", "0") or 0)
    return used.split(",") if used and not every else []


def _files(*names: str) -> dict[str, Path]:
    return {name: FILES / name for name in names}
