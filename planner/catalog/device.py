"""Accelerators: from the catalog, or from what nvidia-smi reports."""

import re
from datetime import date
from functools import cache
from typing import Literal, NamedTuple

from planner.catalog.table import entries
from planner.close_matches import close_matches
from planner.refusal import Change, Refusal

MIB = 2**20
RESERVED = 0.0087
"""Share of its memory that a GPU's driver keeps from programs: the mean over the catalog, for GPUs not in it."""


Kind = Literal["cuda", "ascend", "cpu"]
"""NVIDIA's GPUs, Huawei's Ascend NPUs, or a machine's processors where they are the accelerator."""


class CatalogDevice(NamedTuple):
    """An accelerator as the catalog has it.

    Attributes:
        memory_mib: MiB that nvidia-smi (npu-smi) reports as total.
        usable_mib: MiB that a program can have (cudaMemGetInfo's total), which is what engines count from.
        capability: CUDA compute capability; None for other makes.
        sms: streaming multiprocessors.
        bandwidth_gbs: of its memory, 10^9 bytes/s.
        tflops: dense bf16, 10^12 operations a second; fp16 before Ampere.
        link: NVLink with a switch, NVLink pairs, or PCIe.
        link_gbs: to the others of the machine, one way, 10^9 bytes/s.
        source: of these figures.
        date: when they were read.
        kind: whose make.
        also: other names it goes by.
        unified: its memory is the machine's own too, so that less than all of it is ever free.
    """

    memory_mib: int
    usable_mib: int
    capability: float | None
    sms: int
    bandwidth_gbs: float
    tflops: float
    link: Literal["nvswitch", "nvlink", "pcie"]
    link_gbs: float
    source: str
    date: date
    kind: Literal["cuda", "ascend"] = "cuda"
    also: tuple[str, ...] = ()
    unified: bool = False


class Device(NamedTuple):
    """One accelerator.

    Attributes:
        name: the catalog's; `cpu` for processors.
        total: bytes that a program can have (cudaMemGetInfo's total).
        capability: CUDA compute capability; None for other makes.
        multiprocessors: streaming multiprocessors.
        bandwidth: bytes/s of its memory.
        flops: dense 16-bit operations a second.
        switch: whether all accelerators of a machine reach each other through a switch.
        link: bytes/s to another accelerator of the machine, one way.
        kind: whose make.
        unified: its memory is the machine's own, too.
        pcie: the accelerators of a machine reach each other over PCIe alone.
        memory: bytes that nvidia-smi reports; 0 where that isn't known.
    """

    name: str
    total: int
    capability: float | None
    multiprocessors: int
    bandwidth: float
    flops: float
    switch: bool
    link: float
    kind: Kind = "cuda"
    unified: bool = False
    pcie: bool = False
    memory: int = 0

    @property
    def reported(self) -> int:
        """Bytes that nvidia-smi reports, or a little less where only what programs can have is known."""
        return self.memory or self.total


def processor(memory_mib: int, bandwidth: float = 4e10, flops: float = 5e11) -> Device:
    """A machine's processors and memory, for engines built for them.

    Args:
        memory_mib: MiB of a rank.
        bandwidth: bytes/s of memory; of a small server.
        flops: 16-bit operations a second; of a small server.
    """
    return Device("cpu", memory_mib * MIB, None, 1, bandwidth, flops, switch=False, link=1.25e9, kind="cpu")


@cache
def device(name: str) -> Device:
    """An accelerator of the catalog, by its name in any case, with or without maker, blanks and dashes.

    What nvidia-smi calls it is understood too: `NVIDIA A800-SXM4-80GB` is the A800-80GB.

    Raises:
        Refusal: `unknown_gpu`; the remedy names the closest.
    """
    name = _catalog_name(name)
    entry = _catalog()[name]
    return Device(
        name,
        entry.usable_mib * MIB,
        entry.capability,
        entry.sms,
        entry.bandwidth_gbs * 1e9,
        entry.tflops * 1e12,
        entry.link == "nvswitch",
        entry.link_gbs * 1e9,
        entry.kind,
        entry.unified,
        entry.link == "pcie",
        entry.memory_mib * MIB,
    )


def _catalog() -> dict[str, CatalogDevice]:
    return entries("gpus", CatalogDevice)


MAKERS = re.compile(r"nvidia|geforce|tesla|quadro|huawei|generation|edition|sxm\d?|pcie|hbm3e?|[^a-z0-9]+")
"""What a GPU's name may carry without being another GPU."""


MEMORY = re.compile(r"(.*?)(\d+)gi?b?")
"""A name and the GB that it says."""

SAME_MEMORY = 0.07
"""Share by which a GPU's GiB may be off the GB of its name: an L20 has 45.0 GiB of 48 GB."""


def _plain(name: str) -> str:
    """Lower case, without maker, blanks and dashes; `80G` is 80 GB."""
    return re.sub(r"(\d)gi?b?$", r"\1gb", MAKERS.sub("", name.lower()))


def _with_memory(name: str) -> str | None:
    """The catalog's GPU that a name with its memory means, where the catalog's own name has none: `L20 48GB`."""
    said = MEMORY.fullmatch(name.lower().strip())
    if said is None:
        return None
    base, gigabytes = _plain(said[1]), int(said[2][:6])
    for known, entry in _catalog().items():
        if _plain(known) == base and abs(entry.memory_mib / 1024 - gigabytes) <= SAME_MEMORY * gigabytes:
            return known
    return None


def _catalog_name(name: str) -> str:
    """The catalog's own spelling.

    Raises:
        Refusal: `unknown_gpu`.
    """
    catalog, plain = {_plain(known): known for known in _catalog()}, _plain(name)
    catalog |= {_plain(also): known for known, entry in _catalog().items() for also in entry.also}
    # Consumer and workstation cards are often called by their number alone.
    catalog |= {short: known for text, known in catalog.items() if (short := text.removeprefix("rtx")) not in catalog}
    if plain in catalog:
        return catalog[plain]
    if (known := _with_memory(name)) is not None:
        return known
    # Without its memory a name is enough where there is one such GPU.
    sized = [known for known in _catalog() if known.endswith("GB") and _plain(known.rpartition("-")[0]) == plain]
    if len(sized) == 1 and plain:
        return sized[0]
    meant = sized if plain else []
    meant = meant or [catalog[near] for near in close_matches(plain, catalog, n=2)]
    first, *others = dict.fromkeys(meant) or ("",)
    otherwise = f"to {' or '.join(others)}" if others else "" if first else f"one of {', '.join(_catalog())}"
    raise Refusal(
        "unknown_gpu", "gpu", f"{name[:60]!r} isn't in the catalog", otherwise, [Change("gpu", first)] if first else ()
    )


def device_of_memory(memory_mib: int, capability: float | None = None) -> Device:
    """The accelerator of which nvidia-smi reports this total; one that no entry fits loses the catalog's mean share."""
    if not 1024 <= memory_mib <= 2**21:
        raise Refusal(
            "bad_argument", "gpu-memory-mib", f"is {memory_mib}", "give MiB as nvidia-smi reports them, such as 81559"
        )
    alike = [
        (abs(entry.memory_mib - memory_mib), name)
        for name, entry in _catalog().items()
        if capability is None or entry.capability == capability
    ]
    off, name = min(alike, key=lambda each: each[0], default=(memory_mib, ""))  # the first of those equally near
    if off <= 8:
        return device(name)
    usable = int(memory_mib * (1 - RESERVED)) * MIB
    return Device("unlisted", usable, 9.0 if capability is None else capability, 132, 1e12, 1e14, False, 32e9)


def device_names() -> tuple[str, ...]:
    """Every accelerator of the catalog."""
    return tuple(_catalog())
