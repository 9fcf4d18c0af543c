"""One machine, from bare to ready for containers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.remote import Machine, RemoteStep

FILES = Path(__file__).parent / "files"


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
        disk_minimum_gib: free disk that images and logs need, GiB.
        containers: whether it runs any; one that only downloads needs no Docker.
    """

    peer: pulumi.Input[str]
    storage_server: pulumi.Input[str]
    storage_export: pulumi.Input[str]
    mount_point: str
    mount_options: str
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    disk_minimum_gib: int = 10
    containers: bool = True


class Host(pulumi.ComponentResource):
    """Reads a machine's facts, installs Docker, tunes kernel and limits, mounts the storage.

    It does not install accelerator drivers: those stages belong beside this one.

    Attributes:
        machine: the machine.
        nic: the network interface that routes to the peers; engines are told it by name.
        open_files: files a container may open: 204800, or what the machine allows.
        locked_memory: bytes a container may lock, which RDMA needs; -1 is all.
        packages: done when Docker runs.
        storage: done when the storage is mounted.
        docker: the provider of this machine's containers; None where none run.
    """

    machine: Machine
    nic: pulumi.Output[str]
    open_files: pulumi.Output[int]
    locked_memory: pulumi.Output[int]

    def __init__(
        self, name: str, *, machine: Machine, stack: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("tandem:host:Host", name, None, opts)
        facts = RemoteStep(
            f"{name}-facts",
            machine=machine,
            stack=stack,
            script=FILES / "facts.sh",
            environment={
                "PEER": args.peer,
                "OWN_ADDRESS": machine.peer_address,
                "DISK_MINIMUM_GIB": str(args.disk_minimum_gib),
            },
            timeout=60,
            parent=self,
        )
        RemoteStep(
            f"{name}-tuning",
            machine=machine,
            stack=stack,
            script=FILES / "tuning.sh",
            timeout=60,
            after=[facts.done],
            parent=self,
        )
        self.packages = RemoteStep(
            f"{name}-packages",
            machine=machine,
            stack=stack,
            script=FILES / "packages.sh",
            files={"daemon_json.py": FILES / "daemon_json.py"},
            environment={
                "CONTAINERS": "yes" if args.containers else "no",
                "REGISTRY_MIRRORS": " ".join(args.registry_mirrors),
                "INSECURE_REGISTRIES": " ".join(args.insecure_registries),
            },
            long=True,
            timeout=1800,
            after=[facts.done],
            parent=self,
        ).done
        self.storage = RemoteStep(
            f"{name}-storage",
            machine=machine,
            stack=stack,
            script=FILES / "storage.sh",
            environment={
                "SERVER": args.storage_server,
                "EXPORT": args.storage_export,
                "MOUNT_POINT": args.mount_point,
                "MOUNT_OPTIONS": args.mount_options,
            },
            timeout=120,
            after=[self.packages],
            parent=self,
        ).done
        self.docker = self._docker(name, machine) if args.containers else None
        self.machine = machine
        self.nic = facts.result.apply(lambda found: found["nic"])
        self.open_files = facts.result.apply(lambda found: int(found["nofile"]))
        self.locked_memory = facts.result.apply(lambda found: int(found["memlock"]))
        self.register_outputs({"nic": self.nic})

    def _docker(self, name: str, machine: Machine) -> docker.Provider:
        return docker.Provider(
            f"{name}-docker",
            host=pulumi.Output.concat("ssh://", machine.user, "@", machine.address, f":{machine.port}"),
            ssh_opts=list(machine.ssh_options),
            # The packages step has seen the daemon answer; asking again on each run would be a remote call.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.packages]),
        )
