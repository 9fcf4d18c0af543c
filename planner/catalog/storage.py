"""Bandwidth of the shared storage, which often decides how long the first token takes."""

from __future__ import annotations

from planner.catalog.table import table
from planner.refusal import Refusal

MB = 1e6


def storage_bandwidth(storage_class: str, used_bytes: float) -> float:
    """Bytes/s of a NAS file system that holds `used_bytes`.

    Extreme NAS goes by the capacity that is bought: the smallest that holds them.

    Raises:
        Refusal: `unknown_storage_class`.
    """
    entry = table("nas").get(storage_class)
    if entry is None:
        raise Refusal(
            "unknown_storage_class", "storage.class", f"{storage_class[:40]!r} is no NAS class",
            f"one of {', '.join(table('nas'))}",
        )  # fmt: skip
    if "steps" in entry:
        fitting = [rate for gib, rate in entry["steps"] if gib * 2**30 >= used_bytes]
        return float((fitting or [entry["steps"][-1][1]])[0] * MB)
    return float(min(entry["most"], entry["base"] + entry["per_gb"] * used_bytes / 1e9) * MB)
