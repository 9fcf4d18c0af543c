"""What a recipe's head tells its user to fill in, as data: lines that begin with `#:` are settings for the file."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml

from tests.support.stack_files import read, stack_file


def advice(name: str) -> list[dict[str, Any]]:
    """Each piece of advice of a recipe's head: lines that follow each other are one."""
    pieces: list[list[str]] = []
    before = False
    for line in stack_file(name).read_text().splitlines():
        advised = line.startswith("#: ")
        if advised:
            if not before:
                pieces.append([])
            pieces[-1].append(line.removeprefix("#: "))
        before = advised
    return [yaml.safe_load("\n".join(piece)) for piece in pieces]


def filled_in(name: str, *pieces: dict[str, Any]) -> dict[str, str]:
    """A recipe's settings with advice followed, as Pulumi hands them over: what a head names replaces what is there."""
    config: dict[str, Any] = copy.deepcopy(read(name))
    for piece in pieces:
        for section, values in piece.items():
            present = config.get(section)
            config[section] = (
                {**present, **values} if isinstance(present, dict) and isinstance(values, dict) else values
            )
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
