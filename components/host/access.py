"""How what runs on a host reaches its accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.host.workload import Mount


@dataclass(frozen=True)
class AcceleratorAccess:
    """What a process that computes is given. The default is nothing: the processor.

    Attributes:
        gpus: indexes and UUIDs of the GPUs that are used, none for all; None without NVIDIA GPUs.
        devices: device files or folders of them; None where the kind has none.
        mounts: folders of the driver.
        capabilities: Linux capabilities, with their prefix CAP_.
        environment: which accelerators, and what collectives must know of this machine.
    """

    gpus: pulumi.Output[list[str]] | None = None
    devices: pulumi.Output[list[str]] | None = None
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[str, ...] = ()
    environment: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
