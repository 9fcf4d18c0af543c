"""The setting of what is measured at `up`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

BenchmarkMode = Annotated[
    Literal["quick", "full", "off"],
    BeforeValidator(lambda value: "off" if value is False else value),  # what some readers of YAML make of off
]
DESCRIPTION = (
    "load on the engine after its first completion, measured beside the plan: quick (1, 16 and 64 streams), full "
    "(longer prompts too) or off"
)
