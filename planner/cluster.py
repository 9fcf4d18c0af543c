"""Machines to plan on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.device import Device, device, processor
from planner.refusal import Refusal
from planner.table import table


@dataclass(frozen=True)
class Cluster:
    """Equal machines.

    Attributes:
        name: the instance type, or what the user calls own machines.
        device: the accelerator.
        per_machine: accelerators in a machine.
        machines: how many machines.
        network: bytes/s between machines.
        cny_hour: price of one machine; None for own ones.
        priced: where the price is from.
    """

    name: str
    device: Device
    per_machine: int
    machines: int
    network: float = 1.25e9
    cny_hour: float | None = None
    priced: str = "own machines"

    @property
    def accelerators(self) -> int:
        """In all machines."""
        return self.per_machine * self.machines

    @property
    def price(self) -> float:
        """CNY an hour for all machines; 0 for own ones."""
        return (self.cny_hour or 0.0) * self.machines

    def of(self, machines: int) -> Cluster:
        """The same kind, another number of machines."""
        return replace(self, machines=machines)


def instance_types() -> tuple[str, ...]:
    """Every instance type of the catalog that has GPUs."""
    return tuple(table("machines"))


def rented(instance_type: str, machines: int = 1, cny_hour: float | None = None, ranks: int = 1) -> Cluster:
    """Alibaba Cloud machines of one type.

    Args:
        instance_type: such as ecs.gn8is-2x.8xlarge.
        machines: how many.
        cny_hour: a price that was asked for live, instead of the table's.
        ranks: of the engine on a machine without GPUs, which share its memory.

    Raises:
        Refusal: `unknown_instance_type`, `no_machines`, `no_accelerators`.
    """
    gpus = table("machines").get(instance_type)
    entry = gpus or table("processors").get(instance_type)
    if entry is None:
        raise Refusal(
            "unknown_instance_type", "instanceType", f"{instance_type[:60]!r} isn't in the catalog",
            f"one of {', '.join((*table('machines'), *table('processors')))}",
        )  # fmt: skip
    _check_machines(machines)
    network = entry["network_gbits"] / 8 * 1e9
    if gpus:
        found = Cluster(instance_type, device(gpus["gpu"]), gpus["gpus"], machines, network)
    else:
        found = replace(processors(entry["memory_gib"] * 1024, ranks, machines, network), name=instance_type)
    if cny_hour is not None:
        return replace(found, cny_hour=cny_hour, priced="asked live")
    return replace(found, cny_hour=entry["cny_hour"], priced="table of 2026-11-22, unverified")


def owned(gpu: str, per_machine: int, machines: int, network: float = 1.25e9) -> Cluster:
    """Machines that exist: `machines` of `per_machine` accelerators named as in the catalog.

    Raises:
        Refusal: `unknown_gpu`, `no_machines`.
    """
    _check_machines(machines)
    if not 1 <= per_machine <= 64:
        raise Refusal("no_accelerators", "perMachine", f"is {per_machine}", "give 1 to 64 accelerators a machine")
    return Cluster(f"{per_machine} x {gpu}", device(gpu), per_machine, machines, network)


def processors(memory_mib: int, per_machine: int, machines: int, network: float = 1.25e9) -> Cluster:
    """Machines without accelerators: `per_machine` ranks in each, which share its memory.

    Raises:
        Refusal: `no_machines`, `no_accelerators`.
    """
    _check_machines(machines)
    if not 1 <= per_machine <= 64:
        raise Refusal("no_accelerators", "perMachine", f"is {per_machine}", "give 1 to 64 ranks a machine")
    return Cluster("cpu", processor(memory_mib // per_machine), per_machine, machines, network)


def _check_machines(machines: int) -> None:
    if not 1 <= machines <= 4096:
        raise Refusal("no_machines", "machines", f"is {machines}", "give 1 to 4096 machines")
