"""One machine, from bare to ready for what runs on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pulumi
import pulumi_docker as docker

from components.host.accelerator import AcceleratorArgs
from components.host.accelerators import ContainerAccess, ascend_proof, nvidia_containers, nvidia_driver
from components.host.native import native_stages, storage_there
from components.host.outside import Outside, way_outside
from components.machine import Machine, RemoteStep

FILES = Path(__file__).parent / "files"
DOCKER_PACKAGES = "https://download.docker.com/linux"


@dataclass(frozen=True)
class HostArgs:
    """What a host is told.

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
        room: what workloads run in. `native`: the machine itself, which is lent to us as it is: its facts are read,
            and nothing is installed, tuned or mounted; the storage is the folder `mount_point`, there already.
        writes: this machine downloads to the storage; the others only read it.
        mounted: the storage is the folder `mount_point`, mounted by others or the machine's own: looked at, no more.
        check: native: any text; another has every process looked after again.
        outside: how it reaches what lies outside.
        docker_packages: URL of Docker's own packages, for systems with dnf.
        nic: the network interface that engines use; found by the route to the peer when empty.
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
    room: Literal["docker", "native"] = "docker"
    writes: bool = False
    mounted: bool = False
    check: str = ""
    outside: Outside = field(default_factory=Outside)
    docker_packages: str = DOCKER_PACKAGES
    nic: str = ""
    ports: tuple[str, ...] = ()


class Host(pulumi.ComponentResource):
    """Reads a machine's facts, tunes kernel and limits, installs drivers and Docker, mounts the storage.

    An NVIDIA driver comes before everything that a reboot would interrupt. An Ascend driver is checked, not
    installed: it comes with an account.

    Attributes:
        machine: the machine.
        nic: the network interface that routes to the peers; engines are told it by name.
        open_files: files a container may open: 204800, or what the machine allows.
        locked_memory: bytes a container may lock, which RDMA needs; -1 is all.
        hostname: the machine's own name.
        accelerator: what it was told of its accelerators.
        access: how containers reach them.
        packages: done when Docker runs.
        storage: done when the storage is mounted.
        ready: done when containers may use storage and accelerators; `after` of everything that computes.
        docker: the provider of this machine's containers; None where none run.
        room: what workloads run in.
        room_files: for steps that ask what runs in it.
        check: another text has processes looked after again.
    """

    machine: Machine
    nic: pulumi.Output[str]
    open_files: pulumi.Output[int]
    locked_memory: pulumi.Output[int]
    hostname: pulumi.Output[str]
    ready: list[pulumi.Resource]
    access: ContainerAccess
    packages: pulumi.Resource
    storage: pulumi.Resource

    def __init__(
        self, name: str, *, machine: Machine, stack: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("tandem:host:Host", name, None, opts)
        outside = way_outside(
            machine, stack, args.outside, containers=args.containers and args.room == "docker", parent=self
        )
        facts = RemoteStep(
            f"{name}-facts",
            machine=machine,
            stack=stack,
            script=FILES / "facts.sh",
            files={"ports.py": FILES / "ports.py"},
            environment={
                "PEER": args.peer,
                "OWN_ADDRESS": machine.peer_address,
                "DISK_MINIMUM_GIB": str(args.disk_minimum_gib),
                "IMAGE": args.image,
                "IMAGE_GIB": str(args.image_gib),
                "NIC": args.nic,
                "PORTS": " ".join(args.ports),
            },
            timeout=60,
            after=[outside] if outside else [],
            parent=self,
        )
        self.machine, self.accelerator = machine, args.accelerator
        self.room, self.check = args.room, args.check
        self.room_files = {"room.sh": FILES / f"room_{args.room}.sh"}
        self.nic = facts.result.apply(lambda found: found["nic"])
        self.hostname = facts.result.apply(lambda found: found.get("hostname", ""))
        self.open_files = facts.result.apply(lambda found: int(found["nofile"]))
        self.locked_memory = facts.result.apply(lambda found: int(found["memlock"]))
        self.docker: docker.Provider | None = None
        if args.room == "native":
            self.packages = facts.done
            self.storage, self.ready, self.access = native_stages(
                machine, stack, args.accelerator, folder=args.mount_point, writes=args.writes,
                after=[facts.done], parent=self,
            )  # fmt: skip
        else:
            self._prepare(name, stack, args, facts.done)
        self.register_outputs({"nic": self.nic})

    def _prepare(self, name: str, stack: str, args: HostArgs, facts: pulumi.Resource) -> None:
        """All that a machine of our own needs before containers."""
        machine, accelerator = self.machine, args.accelerator
        tuning = RemoteStep(
            f"{name}-tuning",
            machine=machine,
            stack=stack,
            script=FILES / "tuning.sh",
            files={"package_manager.sh": FILES / "package_manager.sh"},
            timeout=60,
            after=[facts],
            parent=self,
        )
        before = [facts]
        if accelerator.kind == "nvidia":
            before = [nvidia_driver(machine, stack, accelerator, after=[facts, tuning.done], parent=self)]
        self.packages = RemoteStep(
            f"{name}-packages",
            machine=machine,
            stack=stack,
            script=FILES / "packages.sh",
            files={"package_manager.sh": FILES / "package_manager.sh", "daemon_json.py": FILES / "daemon_json.py"},
            environment={
                "CONTAINERS": "yes" if args.containers else "no",
                "DOCKER_PACKAGES": args.docker_packages,
                "REGISTRY_MIRRORS": " ".join(args.registry_mirrors),
                "INSECURE_REGISTRIES": " ".join(args.insecure_registries),
            },
            long=True,
            timeout=1800,
            after=before,
            parent=self,
        ).done
        self.access, proven, docker_ready = ContainerAccess(), [], self.packages
        if accelerator.kind == "nvidia":
            toolkit, proof, self.access = nvidia_containers(
                machine, stack, accelerator, pip_index=args.pip_index, after=[self.packages], parent=self
            )
            # The toolkit restarts Docker: nothing may pull an image or run a container before.
            proven, docker_ready = [proof], toolkit
        elif accelerator.kind == "ascend":
            several = args.peer != machine.peer_address
            proof, self.access = ascend_proof(machine, stack, accelerator, several=several, after=[facts], parent=self)
            proven = [proof]
        self.storage = self._storage(name, stack, args)
        self.docker = self._docker(name, machine, stack, docker_ready, args.outside) if args.containers else None
        self.ready = [self.storage, *proven]

    def _storage(self, name: str, stack: str, args: HostArgs) -> pulumi.Resource:
        if args.mounted:
            return storage_there(
                self.machine, stack, folder=args.mount_point, writes=args.writes, after=[self.packages], parent=self
            ).done
        return RemoteStep(
            f"{name}-storage",
            machine=self.machine,
            stack=stack,
            script=FILES / "storage.sh",
            environment={
                "SERVER": args.storage_server,
                "EXPORT": args.storage_export,
                "MOUNT_POINT": args.mount_point,
                "MOUNT_OPTIONS": args.mount_options,
                "WRITES": "yes" if args.writes else "no",
            },
            timeout=120,
            after=[self.packages],
            parent=self,
        ).done

    def _docker(
        self, name: str, machine: Machine, stack: str, after: pulumi.Resource, outside: Outside
    ) -> docker.Provider:
        path = ""
        if machine.user != "root":
            # The provider runs `docker` there as the login, and the path in its URL is the socket that it is told.
            path = f"/run/{stack}-docker.sock"
            after = RemoteStep(
                f"{name}-docker-access",
                machine=machine,
                stack=stack,
                script=FILES / "docker_access.sh",
                environment={"LOGIN": machine.user, "SOCKET": path},
                timeout=60,
                after=[after],
                parent=self,
            ).done
        return docker.Provider(
            f"{name}-docker",
            host=pulumi.Output.concat("ssh://", machine.user, "@", machine.address, f":{machine.port}{path}"),
            ssh_opts=list(machine.ssh_options),
            # The packages step has seen the daemon answer; asking again on each run would be a remote call.
            disable_docker_daemon_check=True,
            registry_auth=outside.registry_auths(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )
