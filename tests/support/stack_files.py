"""The stack files of this repository, by name."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

NAMESPACE = "tandem:"


def stack_file(name: str) -> Path:
    """A recipe's file, or `Pulumi.<name>.yaml`."""
    recipe = ROOT / "recipes" / f"{name}.yaml"
    return recipe if recipe.exists() else ROOT / f"Pulumi.{name}.yaml"


def all_stack_files() -> list[Path]:
    """Every stack file that is part of the repository."""
    own = [ROOT / f"Pulumi.{name}.yaml" for name in ("dev", "hosts", "local")]
    return sorted([*(ROOT / "recipes").glob("*.yaml"), *own])


def read(name: str) -> dict[str, Any]:
    """A stack file's settings, without the namespace."""
    return copy.deepcopy(_parsed(name))


@functools.cache
def _parsed(name: str) -> dict[str, Any]:
    config = yaml.safe_load(stack_file(name).read_text())["config"]
    return {key.removeprefix(NAMESPACE): value for key, value in config.items()}


def as_configuration(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings as Pulumi hands them over: objects as JSON text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def configuration(name: str) -> dict[str, str]:
    """A stack file's settings as Pulumi hands them over."""
    return as_configuration(read(name))
