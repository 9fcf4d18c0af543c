"""A host's part in a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.host.host import Host


@dataclass(frozen=True)
class Node:
    """One host as the collective check, Ray and the engine use it.

    Attributes:
        host: the host.
        accelerators: how many it brings.
        image: the engine's programs on it (`Programs.id`).
        environment: what each of the engine's processes there must know of its machine.
    """

    host: Host
    accelerators: int
    image: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
