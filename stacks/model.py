"""What all settings share: one base, the types of names, ports and address ranges."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Model(BaseModel):
    """Frozen, and a mistyped key is an error rather than a silence."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=lambda name: re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name),
        populate_by_name=True,
    )


def check_cidrs(ranges: Sequence[str]) -> tuple[str, ...]:
    """The same ranges.

    Raises:
        ValueError: one is none.
    """
    for cidr in ranges:
        try:
            ipaddress.IPv4Network(cidr)
        except ValueError as error:
            raise ValueError(f"{cidr} is no IPv4 range ({error}); write it like 203.0.113.0/24") from None
    return tuple(ranges)
