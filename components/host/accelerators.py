"""The accelerator stages of a host, one function a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.host.accelerator import AcceleratorArgs
from components.machine import Machine, RemoteStep

FILES = Path(__file__).parent / "files"
BUS = ("pci.py", "rails.py")
NVITOP = "nvitop==1.7.2"
ASCEND_DRIVER_MINIMUM = "24.1"
"""Ascend HDK that CANN 8.1 and newer ask for (CANN's release notes, "version mapping")."""
ASCEND_MOUNTS = (
    "/usr/local/dcmi:/usr/local/dcmi:ro",
    "/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro",
    "/usr/local/Ascend/driver:/usr/local/Ascend/driver:ro",
    "/etc/ascend_install.info:/etc/ascend_install.info:ro",
    "/etc/hccn.conf:/etc/hccn.conf:ro",
)
"""What a container needs of the host's driver (seed notes and vllm-ascend's own documentation)."""


@dataclass(frozen=True)
class ContainerAccess:
    """How a container on a host reaches the accelerators.

    Attributes:
        gpus: `all`, or indexes and UUIDs with commas between; None without NVIDIA GPUs.
        devices: device files or folders of them; None where the kind has none.
        mounts: folders of the driver, `source:target:ro`.
        capabilities: Linux capabilities, with their prefix CAP_.
        environment: what collectives must know of this machine.
    """

    gpus: pulumi.Output[str] | None = None
    devices: pulumi.Output[list[str]] | None = None
    mounts: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    environment: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)


def nvidia_driver(
    machine: Machine,
    stack: str,
    args: AcceleratorArgs,
    *,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> pulumi.Resource:
    """Driver and Fabric Manager; may reboot the machine once."""
    return RemoteStep(
        f"{machine.name}-nvidia-driver",
        machine=machine,
        stack=stack,
        script=FILES / "nvidia_driver.sh",
        files=_files("package_manager.sh", "nvidia_state.sh", "pci.py", "drivers.py"),
        environment={
            "COUNT": str(args.count),
            "DEVICES": " ".join(args.devices),
            "CUDA": args.cuda,
            "BRANCH": str(args.branch or ""),
            "DRIVER": args.driver,
            "DRIVER_REPOSITORY": args.driver_repository,
            "ALIBABA_VERSIONS": " ".join(args.alibaba_versions),
        },
        long=True,
        timeout=3600,
        after=after,
        parent=parent,
    ).done


def nvidia_containers(
    machine: Machine,
    stack: str,
    args: AcceleratorArgs,
    *,
    pip_index: str,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> tuple[pulumi.Resource, pulumi.Resource, ContainerAccess]:
    """The container toolkit, then proof that the GPUs work; and what containers are given."""
    toolkit = RemoteStep(
        f"{machine.name}-nvidia-toolkit",
        machine=machine,
        stack=stack,
        script=FILES / "nvidia_toolkit.sh",
        files=_files("package_manager.sh", "pip.sh"),
        environment={
            "TOOLKIT_REPOSITORY": args.toolkit_repository,
            "NVITOP": NVITOP if args.nvitop else "",
            "PIP_INDEX": pip_index,
        },
        long=True,
        timeout=1800,
        after=after,
        parent=parent,
    )
    proof = RemoteStep(
        f"{machine.name}-nvidia-proof",
        machine=machine,
        stack=stack,
        script=FILES / "nvidia_proof.sh",
        files=_files("nvidia_state.sh", *BUS),
        environment={
            "COUNT": str(args.count),
            "DEVICES": " ".join(args.devices),
            "HCAS": f"={','.join(args.hcas)}" if args.hcas else "",
        },
        long=True,
        timeout=600,
        after=[toolkit.done],
        parent=parent,
    )
    hca = proof.result.apply(lambda found: found.get("hca", ""))
    access = ContainerAccess(
        gpus=proof.result.apply(_gpus),
        devices=proof.result.apply(lambda found: ["/dev/infiniband"] if found.get("infiniband") == "yes" else []),
        capabilities=("CAP_IPC_LOCK",),
        environment={"NCCL_IB_HCA": hca, "NCCL_IB_DISABLE": hca.apply(lambda names: "0" if names else "1")},
    )
    return toolkit.done, proof.done, access


def ascend_proof(
    machine: Machine,
    stack: str,
    args: AcceleratorArgs,
    *,
    several: bool,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> tuple[pulumi.Resource, ContainerAccess]:
    """Proof that driver, firmware and devices are there; and what containers are given."""
    proof = RemoteStep(
        f"{machine.name}-ascend",
        machine=machine,
        stack=stack,
        script=FILES / "ascend.sh",
        files=_files("pci.py"),
        environment={
            "COUNT": str(args.count),
            "DEVICES": " ".join(args.devices),
            "DRIVER_MINIMUM": ASCEND_DRIVER_MINIMUM,
            "SEVERAL": "yes" if several else "no",
        },
        long=True,
        timeout=600,
        after=after,
        parent=parent,
    )
    access = ContainerAccess(
        devices=proof.result.apply(lambda found: [d for d in found.get("devices", "").split(",") if d]),
        mounts=ASCEND_MOUNTS if several else tuple(m for m in ASCEND_MOUNTS if "hccn" not in m),
        capabilities=("CAP_IPC_LOCK",),
    )
    return proof.done, access


def _gpus(found: Mapping[str, str]) -> str:
    """What Docker is asked for: all, or those that the proof has chosen."""
    used = found.get("use", "")
    every = "MIG-" not in used and len(used.split(",")) == int(found.get("gpus", "0") or 0)
    return used if used and not every else "all"


def _files(*names: str) -> dict[str, Path]:
    return {name: FILES / name for name in names}
