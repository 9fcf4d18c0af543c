"""Machines to plan on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner.catalog.device import Device, device, processor
from planner.catalog.machines import GpuMachine, instance_type
from planner.pluralize import pluralize
from planner.refusal import Refusal


@dataclass(frozen=True)
class Cluster:
    """Machines that serve one model, equal or not.

    Attributes:
        name: the instance type, or what the user calls own machines.
        device: the accelerator; the smallest where machines have different ones.
        per_machine: accelerators in a machine; in the one with most, where they differ.
        machines: how many machines.
        network: bytes/s between machines.
        cny_hour: price of one machine; None for own ones.
        priced: where the price is from.
        counts: accelerators of each machine, the first one leads; empty where all have `per_machine`.
        devices: the accelerator of each machine; empty where all have `device`.
        host_memory: bytes of a machine's own memory; None where it isn't known.
    """

    name: str
    device: Device
    per_machine: int
    machines: int
    network: float = 1.25e9
    cny_hour: float | None = None
    priced: str = "own machines"
    counts: tuple[int, ...] = ()
    devices: tuple[Device, ...] = ()
    host_memory: int | None = None

    @property
    def each(self) -> tuple[int, ...]:
        """Accelerators of each machine."""
        return self.counts or (self.per_machine,) * self.machines

    @property
    def accelerators(self) -> int:
        """In all machines."""
        return sum(self.counts) if self.counts else self.per_machine * self.machines

    @property
    def ranked(self) -> tuple[Device, ...]:
        """The accelerator of each rank: those of a machine follow each other, the first machine's first."""
        if not self.devices:
            return (self.device,) * self.accelerators
        return tuple(found for found, count in zip(self.devices, self.each, strict=True) for _ in range(count))

    @property
    def even(self) -> bool:
        """Whether every machine has as many accelerators."""
        return len(set(self.each)) == 1

    @property
    def words(self) -> str:
        """The machines as a sentence has them: `2 machines with 4 x L20 each`."""
        if self.device.kind == "cpu":
            return f"{pluralize(self.machines, 'machine')} without GPU"
        if self.cny_hour is not None:
            return f"{self.machines} x {self.name}, {self.accelerators} x {self.device.name}"
        if self.machines == 1:
            return f"1 machine with {self.per_machine} x {self.device.name}"
        if self.even and not self.devices:
            return f"{self.machines} machines with {self.per_machine} x {self.device.name} each"
        kinds = self.devices or (self.device,) * self.machines
        each = [f"{count} x {kind.name}" for count, kind in zip(self.each, kinds, strict=True)]
        return f"{self.machines} machines with {', '.join(each[:-1])} and {each[-1]}"

    def spans(self, tensor: int, pipeline: int, data: int = 1) -> bool:
        """Whether some stage of `tensor` ranks that follow each other lies on more than one machine."""
        reached = 0
        for count in self.each:
            reached += count
            if reached < tensor * pipeline * data and reached % tensor:
                return True
        return False

    def stage_devices(self, tensor: int, pipeline: int, data: int = 1) -> tuple[Device, ...]:
        """The accelerator of each stage; the smallest of its ranks, over all data parallel ranks, where they differ."""
        if not self.devices:
            return (self.device,) * pipeline
        ranked, copy = self.ranked, tensor * pipeline
        starts = [[copy * n + stage * tensor for n in range(data)] for stage in range(pipeline)]
        stages = [[each for start in some for each in ranked[start : start + tensor]] for some in starts]
        return tuple(min(stage, key=lambda d: d.total, default=self.device) for stage in stages)

    @property
    def price(self) -> float:
        """CNY an hour for all machines; 0 for own ones."""
        return (self.cny_hour or 0.0) * self.machines

    def of(self, machines: int) -> Cluster:
        """The same kind, another number of machines."""
        if self.counts or self.devices:
            counts = (*self.each, *(self.each[-1:] * machines))[:machines]
            kinds = (*self.devices, *(self.devices[-1:] * machines))[:machines]
            return replace(self, machines=machines, counts=counts, per_machine=max(counts), devices=kinds)
        return replace(self, machines=machines)


def rented(name: str, machines: int = 1, cny_hour: float | None = None, ranks: int = 1) -> Cluster:
    """Alibaba Cloud machines of one type.

    Args:
        name: the instance type, such as ecs.gn8is-2x.8xlarge.
        machines: how many.
        cny_hour: a price that was asked for live, instead of the table's.
        ranks: of the engine on a machine without GPUs, which share its memory.

    Raises:
        Refusal: `unknown_instance_type`, `no_machines`, `no_accelerators`.
    """
    entry = instance_type(name)
    _check_machines(machines)
    network = entry.network_gbits / 8 * 1e9
    if isinstance(entry, GpuMachine):
        found = Cluster(name, device(entry.gpu), entry.gpus, machines, network)
    else:
        found = replace(processors(entry.memory_gib * 1024, ranks, machines, network), name=name)
    if cny_hour is not None:
        return replace(found, cny_hour=cny_hour, priced="asked live")
    return replace(found, cny_hour=entry.cny_hour, priced="table of 2026-11-22, unverified")


def owned(gpu: str, per_machine: int, machines: int, network: float = 1.25e9) -> Cluster:
    """Machines that exist: `machines` of `per_machine` accelerators named as in the catalog.

    Raises:
        Refusal: `unknown_gpu`, `no_machines`.
    """
    _check_machines(machines)
    if not 1 <= per_machine <= 64:
        raise Refusal("no_accelerators", "perMachine", f"is {per_machine}", "give 1 to 64 accelerators a machine")
    found = device(gpu)
    return Cluster(f"{per_machine} x {found.name}", found, per_machine, machines, network)


def uneven(machines: Sequence[tuple[int, str]], network: float = 1.25e9) -> Cluster:
    """Machines that exist, each with its own number and kind of accelerators, the first one leads.

    Args:
        machines: (accelerators, their name as in the catalog) of each.
        network: bytes/s between machines.

    Raises:
        Refusal: `unknown_gpu`, `no_machines`, `no_accelerators`.
    """
    _check_machines(len(machines))
    kinds = [device(gpu) for _, gpu in machines]
    counts = tuple(count for count, _ in machines)
    smallest = min(kinds, key=lambda d: (d.total, d.capability or 0.0))
    whole = owned(smallest.name, max(counts), len(machines), network)
    if min(counts) < 1:
        return owned(smallest.name, min(counts), len(machines), network)
    return replace(
        whole, counts=counts if len(set(counts)) > 1 else (), devices=tuple(kinds) if len(set(kinds)) > 1 else ()
    )


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
