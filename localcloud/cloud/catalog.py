"""What is for sale: zones, instance types, images, prices and stock. Data with its date and source in data/."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.cloud.model import Stock
from localcloud.cloud.store import Store

_DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "catalog.json").read_text())

ZONES: dict[str, list[str]] = _DATA["zones"]
CURRENCY: str = _DATA["currency"]
DISK_CATEGORIES: list[str] = _DATA["disk_categories"]
NAS_STORAGE: dict[str, list[str]] = _DATA["nas"]
SPOT_SHARE = 0.3  # of the pay-as-you-go price; made up, as the prices are


@dataclass(frozen=True)
class InstanceType:
    """Sizes: memory and gpu_memory in GiB, mbits a second, price an hour; the first `zones` of a region sell it."""

    id: str
    family: str
    cpus: int
    memory: int
    gpus: int
    gpu: str
    gpu_memory: int
    mbits: int
    price: float
    zones: int


@dataclass(frozen=True)
class Image:
    """A system to boot."""

    id: str
    family: str
    name: str
    platform: str
    created: str


TYPES = {entry["id"]: InstanceType(**entry) for entry in _DATA["types"]}
IMAGES = {entry["id"]: Image(**entry) for entry in _DATA["images"]}


def sold_in(region: str, kind: InstanceType) -> list[str]:
    """Zones of the region that have the type at all."""
    return ZONES.get(region, [])[: kind.zones]


def stock(store: Store, zone: str, kind: str) -> int | None:
    """Machines of a type that a zone has left; None when nothing limits it."""
    entry = store.get(Stock, f"{zone}/{kind}")
    return entry.left if entry else None


def set_stock(store: Store, zone: str, kind: str, left: int | None) -> None:
    """Limits what a zone has of a type, or lifts the limit."""
    if left is None:
        store.delete(Stock, f"{zone}/{kind}")
    else:
        store.put(Stock(zone=zone, type=kind, left=left))


def move_stock(store: Store, zone: str, kind: str, change: int) -> None:
    """Takes machines out of a limited stock, or puts them back."""
    left = stock(store, zone, kind)
    if left is not None:
        set_stock(store, zone, kind, max(0, left + change))
