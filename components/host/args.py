"""How a host is prepared."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi

from components.host.accelerator import AcceleratorArgs
from components.host.egress import Egress

DOCKER_PACKAGES = "https://download.docker.com/linux"


@dataclass(frozen=True)
class HostArgs:
    """How a host is prepared.

    Attributes:
        peer: the address of another machine of the deployment; its route names the network interface.
        storage_server: NFS server.
        storage_export: exported folder.
        mount_point: where it is mounted.
        mount_options: NFS options.
        registry_mirrors: Docker registry mirrors, URLs.
        insecure_registries: registries without TLS, `host:port`.
        disk_minimum_gib: free disk that logs and what is installed need, GiB.
        image: the largest image that comes, as it is pulled by.
        image_gib: free disk that it takes where Docker keeps images, GiB; 0 where none comes.
        containers: whether it runs any; one that only downloads needs no Docker.
        accelerator: what computes; the default is the processor, for which nothing is installed.
        pip_index: a pip index, for the tools of people.
        writes: this machine downloads to the storage; the others only read it.
        mounted: the storage is the folder `mount_point`, mounted by others or the machine's own: looked at, no more.
        trigger: native: any text; another has every process looked after again.
        egress: proxies, authorities and logins for what it fetches.
        docker_packages: URL of Docker's own packages, for systems with dnf.
        nic: the network interface that engines use; found by the route to the peer when empty.
        firewall: inner ports will be closed, for which nftables is installed.
        ports: ports that must be free, `SETTING=FIRST` or `SETTING=FIRST-LAST`.
    """

    peer: pulumi.Input[str]
    storage_server: pulumi.Input[str]
    storage_export: pulumi.Input[str]
    mount_point: str
    mount_options: str
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    disk_minimum_gib: int = 10
    image: str = ""
    image_gib: int = 0
    containers: bool = True
    accelerator: AcceleratorArgs = field(default_factory=AcceleratorArgs)
    pip_index: str = ""
    writes: bool = False
    mounted: bool = False
    trigger: str = ""
    egress: Egress = field(default_factory=Egress)
    docker_packages: str = DOCKER_PACKAGES
    nic: str = ""
    firewall: bool = False
    ports: tuple[str, ...] = ()
