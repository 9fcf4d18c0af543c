"""Inputs of which most are known when the program runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


def combined(values: Mapping[str, pulumi.Input[Any]]) -> pulumi.Output[dict[str, Any]]:
    """All values, once those are known that are outputs.

    `Output.all` makes several outputs of each value it is given, and of each value inside a list or a mapping; a step
    has some twenty variables, and a deployment some hundred steps.
    """
    awaited = {name: value for name, value in values.items() if not _is_plain(value)}
    return pulumi.Output.all(**awaited).apply(lambda found: {**values, **(found or {})})


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)
