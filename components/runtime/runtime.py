"""The runtimes, by the name that settings use."""

from __future__ import annotations

from typing import Literal

from components.host import Host
from components.runtime.docker import DockerHost
from components.runtime.native import NativeHost

RuntimeName = Literal["docker", "native"]
RUNTIMES: dict[RuntimeName, type[Host]] = {"docker": DockerHost, "native": NativeHost}


def find_runtime(name: RuntimeName) -> type[Host]:
    """The kind of host that a deployment has; nothing above it asks which."""
    return RUNTIMES[name]
