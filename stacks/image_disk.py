"""The disk that an engine's image needs."""

from __future__ import annotations

from stacks import versions
from stacks.settings.stack import Settings


def image_gib(settings: Settings) -> int:
    """Free disk that the engine's image needs on each machine, GiB: as set, or by the engine."""
    if settings.images.disk_gib is not None:
        return settings.images.disk_gib
    if settings.accelerator.kind == "cpu":
        return versions.IMAGE_GIB_CPU
    return versions.IMAGE_GIB.get(settings.serving.engine, versions.IMAGE_GIB_UNKNOWN)
