"""Accelerators: from the catalog, or from what nvidia-smi reports."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from planner.catalog.table import table
from planner.refusal import Change, Refusal

MIB = 2**20
RESERVED = 0.0087
"""Share of its memory that a GPU's driver keeps from programs: the mean over the catalog, for GPUs not in it."""


@dataclass(frozen=True)
class Device:
    """One accelerator.

    Attributes:
        total: bytes that a program can have (cudaMemGetInfo's total).
        capability: CUDA compute capability; None for other makes.
        multiprocessors: streaming multiprocessors.
        bandwidth: bytes/s of its memory.
        flops: dense 16-bit operations a second.
        switch: whether all accelerators of a machine reach each other through a switch.
        link: bytes/s to another accelerator of the machine, one way.
        unified: its memory is the machine's own, too.
    """

    name: str
    total: int
    capability: float | None
    multiprocessors: int
    bandwidth: float
    flops: float
    switch: bool
    link: float
    unified: bool = False

    @property
    def ascend(self) -> bool:
        """Whether it is an Ascend NPU."""
        return self.name.startswith("Ascend")


PROCESSOR = "cpu"
"""The name of a machine's processors where they are the accelerator."""


def processor(memory_mib: int, bandwidth: float = 4e10, flops: float = 5e11) -> Device:
    """A machine's processors and memory, for engines built for them; figures of a small server."""
    return Device(PROCESSOR, memory_mib * MIB, None, 1, bandwidth, flops, switch=False, link=1.25e9)


@cache
def device(name: str) -> Device:
    """An accelerator of the catalog, by its name in any case, with or without maker, blanks and dashes.

    What nvidia-smi calls it is understood too: `NVIDIA A800-SXM4-80GB` is the A800-80GB.

    Raises:
        Refusal: `unknown_gpu`; the remedy names what is likest.
    """
    name = _of_the_catalog(name)
    entry = table("gpus")[name]
    return Device(
        name, entry["usable_mib"] * MIB, entry["capability"], entry["sms"], entry["bandwidth_gbs"] * 1e9,
        entry["tflops"] * 1e12, entry["link"] == "nvswitch", entry["link_gbs"] * 1e9, entry.get("unified", False),
    )  # fmt: skip


MAKERS = re.compile(r"nvidia|geforce|tesla|quadro|huawei|generation|edition|sxm\d?|pcie|hbm3e?|[^a-z0-9]+")
"""What a GPU's name may carry without being another GPU."""


def _plain(name: str) -> str:
    return MAKERS.sub("", name.lower())


def _of_the_catalog(name: str) -> str:
    """The catalog's own spelling.

    Raises:
        Refusal: `unknown_gpu`.
    """
    catalog, plain = {_plain(known): known for known in table("gpus")}, _plain(name)
    catalog |= {_plain(also): known for known, entry in table("gpus").items() for also in entry.get("also", ())}
    if plain in catalog:
        return catalog[plain]
    # Without its memory a name is enough where there is one such GPU.
    sized = [known for known in table("gpus") if known.endswith("GB") and _plain(known.rpartition("-")[0]) == plain]
    if len(sized) == 1 and plain:
        return sized[0]
    likest = sized if plain else []
    likest = likest or [catalog[near] for near in difflib.get_close_matches(plain, catalog, n=2, cutoff=0.6)]
    remedy = f"did you mean {' or '.join(dict.fromkeys(likest))}?" if likest else f"one of {', '.join(table('gpus'))}"
    raise Refusal(
        "unknown_gpu", "gpu", f"{name[:60]!r} isn't in the catalog", remedy,
        (Change("gpu", likest[0]),) if likest else (),
    )  # fmt: skip


def device_of_memory(memory_mib: int, capability: float | None = None) -> Device:
    """The accelerator of which nvidia-smi reports this total; one that no entry fits loses the catalog's mean share."""
    if not 1024 <= memory_mib <= 2**21:
        raise Refusal(
            "bad_argument", "gpu-memory-mib", f"is {memory_mib}", "give MiB as nvidia-smi reports them, such as 81559"
        )
    alike = [
        (abs(entry["memory_mib"] - memory_mib), name)
        for name, entry in table("gpus").items()
        if capability is None or entry["capability"] == capability
    ]
    off, name = min(alike, key=lambda each: each[0], default=(memory_mib, ""))  # the first of those equally near
    if off <= 8:
        return device(name)
    usable = int(memory_mib * (1 - RESERVED)) * MIB
    return Device("unlisted", usable, 9.0 if capability is None else capability, 132, 1e12, 1e14, False, 32e9)


def device_names() -> tuple[str, ...]:
    """Every accelerator of the catalog."""
    return tuple(table("gpus"))
