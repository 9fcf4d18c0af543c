"""A Ray cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pulumi

from components.host import Host
from components.machine import GeneratedSecret, RemoteStep
from components.rooms import run_workload
from components.workload import Workload

FILES = Path(__file__).parent / "files"
TOKEN_FILE = "/tandem/ray-token"  # noqa: S105  # a path, not a token
SHARED = "/tmp"  # noqa: S108  # where Ray keeps its session and vLLM the sockets between driver and ranks
OBJECT_STORE_BYTES = 256 << 20
"""Ray's object store: vLLM moves tensors by its own collectives; only small control messages go through Ray."""


@dataclass(frozen=True)
class RayPorts:
    """Ports of every Ray process, pinned so that a firewall can name them. GCS lies outside the workers' range."""

    gcs: int = 6379
    node_manager: int = 6380
    object_manager: int = 6381
    runtime_env_agent: int = 6382
    dashboard_agent_grpc: int = 6383
    dashboard_agent_listen: int = 6384
    metrics_export: int = 6385
    client_server: int = 6386
    worker_first: int = 10002
    worker_last: int = 10999

    COUNT: ClassVar[int] = 8
    """Ports in a row, from the GCS's on."""

    @classmethod
    def starting_at(cls, first: int, workers: tuple[int, int]) -> RayPorts:
        """The GCS at `first`, the other services behind it; workers take theirs from a range, both ends included."""
        services = (f.name for f in dataclasses.fields(cls) if not f.name.startswith("worker"))
        own = {name: first + number for number, name in enumerate(services)}
        return cls(**own, worker_first=workers[0], worker_last=workers[1])

    def arguments(self) -> list[str]:
        """The arguments that both head and workers take."""
        return [
            f"--node-manager-port={self.node_manager}",
            f"--object-manager-port={self.object_manager}",
            f"--runtime-env-agent-port={self.runtime_env_agent}",
            f"--dashboard-agent-grpc-port={self.dashboard_agent_grpc}",
            f"--dashboard-agent-listen-port={self.dashboard_agent_listen}",
            f"--metrics-export-port={self.metrics_export}",
            f"--min-worker-port={self.worker_first}",
            f"--max-worker-port={self.worker_last}",
        ]


class RayCluster(pulumi.ComponentResource):
    """Head on the first host, a worker on each other, and a count of nodes and accelerators.

    Attributes:
        address: `host:port` of the head.
        token: authenticates to the cluster, a secret.
        counted: done when every node and accelerator has been seen.
        version: changes whenever a container of the cluster has changed.
    """

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        accelerators: Sequence[int],
        images: Sequence[pulumi.Input[str]],
        stack: str,
        environment: Sequence[Mapping[str, pulumi.Input[str]]],
        mounts: Sequence[str],
        resource: str = "GPU",
        ports: RayPorts | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the cluster.

        Args:
            name: Pulumi name.
            hosts: head first.
            accelerators: how many each host brings.
            images: the engine image's id on each host.
            stack: the deployment's own name on machines.
            environment: each host's environment: its own address, its own network interface.
            mounts: folders mounted into every container.
            resource: what Ray calls an accelerator: `GPU` or `NPU`.
            ports: Ray's ports.
            after: what must be done before a container starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:ray:RayCluster", name, None, opts)
        ports = ports or RayPorts()
        head = hosts[0]
        self.token = GeneratedSecret(f"{name}-token", opts=pulumi.ResourceOptions(parent=self)).value
        self.address = pulumi.Output.concat(head.machine.peer_address, f":{ports.gcs}")
        self.mounts = (f"/var/lib/tandem/{stack}/ray:{SHARED}",)
        nodes = []
        for host, count, image, variables in zip(hosts, accelerators, images, environment, strict=True):
            role = (
                [
                    "--head",
                    f"--port={ports.gcs}",
                    f"--ray-client-server-port={ports.client_server}",
                    "--include-dashboard=false",
                ]
                if host is head
                else [pulumi.Output.concat("--address=", self.address)]
            )
            command: list[pulumi.Input[str]] = [
                "start",
                "--block",
                "--disable-usage-stats",
                *role,
                pulumi.Output.concat("--node-ip-address=", host.machine.peer_address),
                f"--num-gpus={count}" if resource == "GPU" else f"--resources={json.dumps({resource: count})}",
                # Ray starts a Python process a CPU in advance; one for each rank is what is used.
                f"--num-cpus={count}",
                f"--object-store-memory={OBJECT_STORE_BYTES}",
                *ports.arguments(),
            ]
            nodes.append(
                run_workload(
                    f"{host.machine.name}-ray",
                    host=host,
                    stack=stack,
                    args=Workload(
                        image=image,
                        entrypoint=["ray"],
                        command=command,
                        environment={**self.environment(), **variables},
                        files={TOKEN_FILE: self.token},
                        mounts=[*mounts, *self.mounts],
                        accelerated=True,
                    ),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
                )
            )
        self.counted = RemoteStep(
            f"{head.machine.name}-ray-count",
            machine=head.machine,
            stack=stack,
            script=FILES / "count.sh",
            files={"count.py": FILES / "count.py", **head.room_files},
            environment={
                "CONTAINER": nodes[0].name,
                "ADDRESS": self.address,
                "NODES": pulumi.Output.all(*(host.machine.peer_address for host in hosts)).apply(" ".join),
                "ACCELERATORS": str(sum(accelerators)),
                "RESOURCE": resource,
                # Another container on any host is another node: count again.
                "CONTAINERS": pulumi.Output.all(*(node.id for node in nodes)).apply(" ".join),
            },
            long=True,
            timeout=300,
            after=[node.resource for node in nodes],
            parent=self,
        ).done
        self.version = pulumi.Output.all(*(node.id for node in nodes)).apply(lambda ids: "-".join(i[:12] for i in ids))
        self.register_outputs({"address": self.address})

    @staticmethod
    def environment() -> dict[str, str]:
        """What every process of the cluster and its clients must be told."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": TOKEN_FILE, "RAY_USAGE_STATS_ENABLED": "0"}
