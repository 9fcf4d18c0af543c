"""The type of settings that name some of a machine's accelerators."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

DEVICE = re.compile(r"\d{1,2}|GPU-[0-9a-fA-F-]{8,40}|MIG-[0-9A-Za-z/-]{8,80}")
"""As nvidia-smi -L lists them: an index, a GPU's UUID, a MIG slice's."""


def as_devices(value: Any) -> Any:  # noqa: ANN401  # before pydantic has looked at it
    """Numbers and one text with commas become texts.

    Raises:
        ValueError: an entry is no device, or there twice.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    named = [str(part) if isinstance(part, int | str) and not isinstance(part, bool) else "" for part in value]
    for name in named:
        if not DEVICE.fullmatch(name):
            raise ValueError(
                f"{name[:60]!r} is no device; give indices such as 4, or UUIDs as `nvidia-smi -L` lists them, "
                "GPU-... or MIG-..."
            )
    if len(set(named)) < len(named):
        raise ValueError("names a device twice; give each once")
    if len({name.partition("-")[0] if "-" in name else "" for name in named}) > 1:
        raise ValueError("mixes indices, GPUs and MIG slices; name all of a machine's in one way")
    return tuple(named)


Devices = Annotated[tuple[str, ...], BeforeValidator(as_devices)]
