"""Bandwidth of the shared storage, which often decides how long the first token takes (`data/nas.yaml`)."""

from typing import NamedTuple

from planner.catalog.table import entries
from planner.refusal import Refusal

MB = 1e6


class ByUse(NamedTuple):
    """A class whose bandwidth grows with the bytes that are stored, in 10^6 bytes a second.

    Attributes:
        base: when empty.
        per_gb: more for each 10^9 bytes.
        most: its limit.
    """

    base: float
    per_gb: float
    most: float

    def bandwidth(self, used_bytes: float) -> float:
        """Bytes/s of a file system that holds `used_bytes`."""
        return min(self.most, self.base + self.per_gb * used_bytes / 1e9) * MB


class ByCapacity(NamedTuple):
    """A class whose bandwidth goes by the capacity that is bought.

    Attributes:
        steps: (GiB, 10^6 bytes a second) of each capacity, the smallest first.
    """

    steps: tuple[tuple[int, float], ...]

    def bandwidth(self, used_bytes: float) -> float:
        """Bytes/s of the smallest capacity that holds `used_bytes`, or of the largest there is."""
        fitting = [rate for gib, rate in self.steps if gib * 2**30 >= used_bytes]
        return (fitting or [self.steps[-1][1]])[0] * MB


def storage_bandwidth(storage_class: str, used_bytes: float) -> float:
    """Bytes/s of a NAS file system that holds `used_bytes`.

    Raises:
        Refusal: `unknown_storage_class`.
    """
    classes: dict[str, ByUse | ByCapacity] = entries("nas", ByUse | ByCapacity)  # type: ignore[arg-type]  # a union
    if storage_class not in classes:
        raise Refusal(
            "unknown_storage_class",
            "storage.class",
            f"{storage_class[:40]!r} is no NAS class",
            f"one of {', '.join(classes)}",
        )
    return classes[storage_class].bandwidth(used_bytes)
