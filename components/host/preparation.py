"""Stages that a host has whatever its accelerators: facts, kernel and limits, storage."""

from __future__ import annotations

from pathlib import Path

from components.host.args import HostArgs
from components.machine import PACKAGE_MANAGER, Machine, Stage

FILES = Path(__file__).parent / "files"


def facts(machine: Machine, args: HostArgs) -> Stage:
    """Reads what later stages build on, and refuses a machine that can't carry them."""
    return Stage(
        FILES / "facts.sh",
        {
            "PEER": args.peer,
            "OWN_ADDRESS": machine.peer_address,
            "DISK_MINIMUM_GIB": str(args.disk_minimum_gib),
            "IMAGE": args.image,
            "IMAGE_GIB": str(args.image_gib),
            "NIC": args.nic,
            "PORTS": " ".join(args.ports),
        },
        {"ports.py": FILES / "ports.py"},
    )


def tuning() -> Stage:
    """Kernel and limits as inference hosts want them."""
    return Stage(FILES / "tuning.sh", files=PACKAGE_MANAGER)


def storage(args: HostArgs) -> Stage:
    """Mounts the storage; where it is mounted by others, or a folder of the machine's own, looks at it."""
    writes = "yes" if args.writes else "no"
    if args.mounted:
        return Stage(FILES / "mounted_storage.sh", {"FOLDER": args.mount_point, "WRITES": writes})
    return Stage(
        FILES / "storage.sh",
        {
            "SERVER": args.storage_server,
            "EXPORT": args.storage_export,
            "MOUNT_POINT": args.mount_point,
            "MOUNT_OPTIONS": args.mount_options,
            "WRITES": writes,
        },
        timeout=120,
    )
