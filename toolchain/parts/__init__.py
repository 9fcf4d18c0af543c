"""The parts: one module each, named as the part, holding ``PART``."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from toolchain.part import Part


def all_parts() -> dict[str, Part]:
    """Return every part by name, found by the modules of this package."""
    return {info.name: import_module(f"{__name__}.{info.name}").PART for info in pkgutil.iter_modules(__path__)}
