"""The catalog's tables, planner/catalog/data/*.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """A table by its file's name, entries by theirs; read once, by libyaml where PyYAML has it, six times as fast."""
    text = (Path(__file__).with_name("data") / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return loaded
