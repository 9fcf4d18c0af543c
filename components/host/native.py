"""The stages of a machine that is lent to us as it is: looked at, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

from components.host.accelerator import AcceleratorArgs
from components.host.stages import ContainerAccess
from components.remote import Machine, RemoteStep

if TYPE_CHECKING:
    from components.host.host import Host

FILES = Path(__file__).parent / "files"


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
    storage = RemoteStep(
        f"{machine.name}-storage",
        machine=machine,
        stack=stack,
        script=FILES / "native_storage.sh",
        environment={"FOLDER": folder, "WRITES": "yes" if writes else "no"},
        timeout=60,
        after=after,
        parent=parent,
    )
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


def sees_weights(host: Host, stack: str, folder: pulumi.Input[str]) -> pulumi.Resource:
    """Proof that the shared folder is the same one: what another machine has written is seen here."""
    return RemoteStep(
        f"{host.machine.name}-weights-seen",
        machine=host.machine,
        stack=stack,
        script=FILES / "native_weights.sh",
        environment={"FOLDER": folder},
        timeout=60,
        after=[host.storage],
        parent=host,
    ).done
