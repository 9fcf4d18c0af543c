"""The stages of a machine that is lent to us as it is: looked at, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.host.accelerator import AcceleratorArgs
from components.host.accelerators import ContainerAccess
from components.machine import Machine, RemoteStep

FILES = Path(__file__).parent / "files"


def storage_there(
    machine: Machine,
    stack: str,
    *,
    folder: str,
    writes: bool,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> RemoteStep:
    """Looks at a folder that others have mounted, or that is the machine's own."""
    return RemoteStep(
        f"{machine.name}-storage",
        machine=machine,
        stack=stack,
        script=FILES / "native_storage.sh",
        environment={"FOLDER": folder, "WRITES": "yes" if writes else "no"},
        timeout=60,
        after=after,
        parent=parent,
    )


def native_stages(
    machine: Machine,
    stack: str,
    args: AcceleratorArgs,
    *,
    folder: str,
    writes: bool,
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> tuple[pulumi.Resource, list[pulumi.Resource], ContainerAccess]:
    """The storage's step, all that must be done before anything computes, and what collectives must know."""
    storage = storage_there(machine, stack, folder=folder, writes=writes, after=after, parent=parent)
    if args.kind != "nvidia":
        return storage.done, [storage.done], ContainerAccess()
    proof = RemoteStep(
        f"{machine.name}-nvidia-proof",
        machine=machine,
        stack=stack,
        script=FILES / "native_nvidia.sh",
        files={name: FILES / name for name in ("nvidia_state.sh", "drivers.py", "rails.py", "pci.py")},
        environment={
            "COUNT": str(args.count),
            "DEVICES": " ".join(args.devices),
            "CUDA": args.cuda,
            "HCAS": f"={','.join(args.hcas)}" if args.hcas else "",
        },
        long=True,
        timeout=300,
        after=after,
        parent=parent,
    )
    hca = proof.result.apply(lambda found: found.get("hca", ""))
    access = ContainerAccess(
        environment={
            "NCCL_IB_HCA": hca,
            "NCCL_IB_DISABLE": hca.apply(lambda names: "0" if names else "1"),
            # Numbers as nvidia-smi has them; CUDA's own order is by speed.
            "CUDA_DEVICE_ORDER": pulumi.Output.from_input("PCI_BUS_ID"),
            "CUDA_VISIBLE_DEVICES": proof.result.apply(lambda found: found.get("use") or _first(args.count)),
        }
    )
    return storage.done, [storage.done, proof.done], access


def _first(count: int) -> str:
    return ",".join(str(number) for number in range(count))
