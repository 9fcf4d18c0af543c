"""What an engine's image must hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImageRequirements:
    """Asked of an image on each machine, without starting the engine.

    Attributes:
        programs: names on the image's PATH.
        modules: modules of the image's python3.
        recipe: folder with a Dockerfile that adds what is missing (`ARG BASE` is the image); None where nothing can.
    """

    programs: tuple[str, ...] = ("python3",)
    modules: tuple[str, ...] = ()
    recipe: Path | None = None
