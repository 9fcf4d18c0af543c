"""What is on a machine's PCI bus and behind its RDMA devices, read from sysfs. Changes nothing.

Runs on the machine (Python 3.8 or newer, nothing else). pci.py [SYSFS] prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

NVIDIA, HUAWEI = 0x10DE, 0x19E5
DISPLAY = (0x0300, 0x0302)  # VGA and 3D controllers: GPUs with and without a display
BRIDGE = 0x0680  # what an NVSwitch calls itself
ACCELERATOR = 0x1200  # processing accelerators: Ascend


@dataclass(frozen=True)
class Device:
    """A PCI device: address, ids, and the bridges above it, outermost first."""

    address: str
    vendor: int
    device: int
    kind: int
    above: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Port:
    """A port of an RDMA device: its rate in Gbit/s and the bridges above the device."""

    name: str
    active: bool
    link: str
    rate: int
    above: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bus:
    """What matters of a machine's PCI bus."""

    gpus: list[Device]
    switches: list[Device]
    npus: list[Device]
    ports: list[Port]


def read_bus(sysfs: Path) -> Bus:
    """Reads `bus/pci/devices` and `class/infiniband` below `sysfs`."""
    devices = [_device(entry) for entry in sorted((sysfs / "bus/pci/devices").glob("*"))]
    nvidia = [d for d in devices if d.vendor == NVIDIA]
    return Bus(
        gpus=[d for d in nvidia if d.kind in DISPLAY],
        switches=[d for d in nvidia if d.kind == BRIDGE],
        npus=[d for d in devices if d.vendor == HUAWEI and d.kind == ACCELERATOR],
        ports=[_port(entry) for entry in sorted((sysfs / "class/infiniband").glob("*/ports/1"))],
    )


def _device(entry: Path) -> Device:
    return Device(
        entry.name, _number(entry / "vendor"), _number(entry / "device"), _number(entry / "class") >> 8, _above(entry)
    )


def _port(entry: Path) -> Port:
    """A device with several ports shows each as a device of its own since mlx5; port 1 is the one."""
    owner = entry.parent.parent
    return Port(
        name=owner.name,
        active=_text(entry / "state").endswith("ACTIVE"),
        link=_text(entry / "link_layer"),
        rate=int(float((_text(entry / "rate").split() or ["0"])[0])),
        above=_above(owner / "device"),
    )


def _above(entry: Path) -> list[str]:
    """`/sys/devices/pci0000:5d/0000:5d:01.0/0000:5e:00.0` -> the first two of them."""
    parts = entry.resolve().parts
    first = next((n for n, part in enumerate(parts) if part.startswith("pci")), len(parts))
    return list(parts[first:-1])


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def _number(file: Path) -> int:
    return int(_text(file) or "0", 16)


if __name__ == "__main__":
    print(json.dumps(asdict(read_bus(Path((sys.argv[1:] or ["/sys"])[0])))))
