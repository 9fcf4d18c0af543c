"""The pins of versions.json."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache

from toolchain.paths import source_dir


@dataclass(frozen=True)
class Versions:
    """Every version the toolchain depends on.

    ``pulumi`` is the CLI, engine and SDK; ``plugins`` maps a provider's name to its version; ``go`` is the
    oldest Go that builds our modules; ``modules`` maps a Go module to its version.
    """

    pulumi: str
    plugins: dict[str, str]
    go: str
    modules: dict[str, str]


@cache
def versions() -> Versions:
    """Read versions.json once."""
    return Versions(**json.loads((source_dir() / "versions.json").read_text()))


def parse(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``v3.259.0`` or ``go1.26``; ``()`` when there is none.

    A pre-release sorts before its release: ``3.259.0-rc1`` gives ``(3, 259, 0, -1)``.
    """
    found = re.search(r"(\d+(?:\.\d+)*)(-[0-9A-Za-z])?", text)
    if not found:
        return ()
    numbers = tuple(int(number) for number in found[1].split("."))
    return (*numbers, -1) if found[2] else (*numbers, 0)
