"""A machine made ready: facts, driver, Docker, tuning, storage; and proof that its accelerators work together."""

from components.host.accelerator import TOOLKIT_REPOSITORY, AcceleratorArgs
from components.host.collective import Collective
from components.host.host import DOCKER_PACKAGES, Host, HostArgs
from components.host.outside import Outside, RegistryLogin
from components.host.seen import sees_weights

__all__ = [
    "DOCKER_PACKAGES",
    "TOOLKIT_REPOSITORY",
    "AcceleratorArgs",
    "Collective",
    "Host",
    "HostArgs",
    "Outside",
    "RegistryLogin",
    "sees_weights",
]
