"""Which RDMA devices NCCL uses on this machine. The choice is pure; read from sysfs when run.

rails.py [SYSFS] prints the value of NCCL_IB_HCA, empty where there is no RDMA.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pci import Bus, Device, Port, read_bus


def choose_rails(bus: Bus) -> list[str]:
    """Names of the RDMA devices, in the bus's own order, which is the same on machines built alike.

    1. Only ports that are up.
    2. InfiniBand before Ethernet: a bonded Ethernet device beside InfiniBand carries other traffic.
    3. Where some share a PCI switch with an accelerator, only those: their neighbours serve storage.
    4. Only the fastest: NCCL would pace a rail by its slowest device.
    """
    ports = [port for port in bus.ports if port.active]
    ports = [port for port in ports if port.link == "InfiniBand"] or ports
    near = [port for port in ports if _shares_switch(port, [*bus.gpus, *bus.npus])]
    ports = near or ports
    fastest = max((port.rate for port in ports), default=0)
    return [port.name for port in sorted(ports, key=_natural) if port.rate == fastest]


def nccl_value(names: Sequence[str]) -> str:
    """`=a,b`: the sign asks for exactly these; without it mlx5_1 would also mean mlx5_10."""
    return "=" + ",".join(names) if names else ""


def _shares_switch(port: Port, accelerators: Sequence[Device]) -> bool:
    """Whether a bridge below the host's own root port stands above both."""
    return any(set(port.above[2:]) & set(accelerator.above[2:]) for accelerator in accelerators)


def _natural(port: Port) -> tuple[str, int]:
    head = port.name.rstrip("0123456789")
    return head, int(port.name[len(head) :] or 0)


if __name__ == "__main__":
    print(nccl_value(choose_rails(read_bus(Path((sys.argv[1:] or ["/sys"])[0])))))
