"""A machine made ready: facts, driver, tuning, storage; what runs on it; and proof that all work together."""

from components.host.accelerator import TOOLKIT_REPOSITORY, AcceleratorArgs
from components.host.accelerators import (
    DRIVER_RULES,
    ascend_container_access,
    ascend_proof,
    nvidia_container_access,
    nvidia_driver,
    nvidia_driver_proof,
    nvidia_process_access,
    nvidia_proof,
)
from components.host.access import AcceleratorAccess
from components.host.args import DOCKER_PACKAGES, HostArgs
from components.host.collective_check import CollectiveCheck
from components.host.egress import Egress, RegistryLogin
from components.host.firewall import FirewallArgs, addresses_of, close_inner_ports
from components.host.host import Host
from components.host.node import Node
from components.host.preparation import storage, tuning
from components.host.weights_check import check_weights
from components.host.workload import Environment, Mount, Programs, ProgramsArgs, Running, Workload

__all__ = [
    "DOCKER_PACKAGES",
    "DRIVER_RULES",
    "TOOLKIT_REPOSITORY",
    "AcceleratorAccess",
    "AcceleratorArgs",
    "CollectiveCheck",
    "Egress",
    "Environment",
    "FirewallArgs",
    "Host",
    "HostArgs",
    "Mount",
    "Node",
    "Programs",
    "ProgramsArgs",
    "RegistryLogin",
    "Running",
    "Workload",
    "addresses_of",
    "ascend_container_access",
    "ascend_proof",
    "check_weights",
    "close_inner_ports",
    "nvidia_container_access",
    "nvidia_driver",
    "nvidia_driver_proof",
    "nvidia_process_access",
    "nvidia_proof",
    "storage",
    "tuning",
]
