"""Alibaba Cloud's instance types: with GPUs (`data/machines.yaml`), and without (`data/processors.yaml`)."""

from typing import NamedTuple

from planner.catalog.table import entries
from planner.refusal import Refusal


class GpuMachine(NamedTuple):
    """An instance type with GPUs.

    Attributes:
        gpu: the accelerator's name in `data/gpus.yaml`.
        gpus: how many of them.
        network_gbits: base bandwidth inside the VPC, Gbit/s.
        cny_hour: pay as you go, CNY an hour; an order of magnitude.
    """

    gpu: str
    gpus: int
    network_gbits: float
    cny_hour: float


class ProcessorMachine(NamedTuple):
    """An instance type without GPUs.

    Attributes:
        cpus: vCPUs.
        memory_gib: GiB.
        network_gbits: base bandwidth inside the VPC, Gbit/s.
        cny_hour: pay as you go, CNY an hour; an order of magnitude.
    """

    cpus: int
    memory_gib: int
    network_gbits: float
    cny_hour: float


def instance_types() -> tuple[str, ...]:
    """Every instance type of the catalog that has GPUs."""
    return tuple(entries("machines", GpuMachine))


def instance_type(name: str) -> GpuMachine | ProcessorMachine:
    """An instance type by its name.

    Raises:
        Refusal: `unknown_instance_type`.
    """
    gpus, processors = entries("machines", GpuMachine), entries("processors", ProcessorMachine)
    found = gpus.get(name) or processors.get(name)
    if found is None:
        raise Refusal(
            "unknown_instance_type",
            "instanceType",
            f"{name[:60]!r} isn't in the catalog",
            f"one of {', '.join((*gpus, *processors))}",
        )
    return found
