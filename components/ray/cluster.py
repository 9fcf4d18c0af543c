"""A Ray cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pulumi

from components.host import Mount, Node, Workload
from components.machine import GeneratedSecret, RemoteStep

FILES = Path(__file__).parent / "files"
TOKEN_FILE = "/tandem/ray-token"  # noqa: S105  # a path, not a token
GUARD = "/tandem/ray_guard.py"
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
        ready: done when every node and accelerator has been seen.
        version: changes whenever a container of the cluster has changed.
    """

    def __init__(
        self,
        name: str,
        *,
        nodes: Sequence[Node],
        environment: Mapping[str, pulumi.Input[str]],
        mounts: Sequence[Mount],
        resource: str = "GPU",
        ports: RayPorts | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the cluster.

        Args:
            name: Pulumi name.
            nodes: head first.
            environment: the user's own, which wins over each node's.
            mounts: folders mounted into every container.
            resource: what Ray calls an accelerator: `GPU` or `NPU`.
            ports: Ray's ports.
            after: what must be done before a container starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:ray:RayCluster", name, None, opts)
        ports = ports or RayPorts()
        head = nodes[0].host
        self.token = GeneratedSecret(f"{name}-token", opts=pulumi.ResourceOptions(parent=self)).value
        self.address = pulumi.Output.concat(head.machine.peer_address, f":{ports.gcs}")
        self._shared = [Mount(f"{node.host.machine.folder}/ray", SHARED) for node in nodes]
        running = []
        for node, shared in zip(nodes, self._shared, strict=True):
            host, count = node.host, node.accelerators
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
                GUARD,
                "ray",
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
            running.append(
                host.run(
                    f"{host.machine.name}-ray",
                    Workload(
                        image=node.image,
                        entrypoint=["python3"],
                        command=command,
                        environment={**self.environment(), **node.environment, **environment},
                        files={TOKEN_FILE: self.token, GUARD: FILES / "ray_guard.py"},
                        mounts=[*mounts, shared],
                        accelerated=True,
                    ),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
                )
            )
        self.ready = RemoteStep(
            f"{head.machine.name}-ray-count",
            machine=head.machine,
            script=FILES / "count.sh",
            files={"count.py": FILES / "count.py", **head.step_files},
            environment={
                "CONTAINER": running[0].name,
                "ADDRESS": self.address,
                "NODES": pulumi.Output.all(*(node.host.machine.peer_address for node in nodes)).apply(" ".join),
                "ACCELERATORS": str(sum(node.accelerators for node in nodes)),
                "RESOURCE": resource,
                # Another container on any host is another node: count again.
                "CONTAINERS": pulumi.Output.all(*(each.id for each in running)).apply(" ".join),
            },
            long=True,
            timeout=300,
            after=[each.resource for each in running],
            parent=self,
        ).done
        self.version = pulumi.Output.all(*(each.id for each in running)).apply(
            lambda ids: "-".join(i[:12] for i in ids)
        )
        self.register_outputs({"address": self.address})

    @property
    def shared(self) -> Mount:
        """The head's folder that a driver of the cluster shares with it."""
        return self._shared[0]

    @staticmethod
    def environment() -> dict[str, str]:
        """What every process of the cluster and its clients needs."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": TOKEN_FILE, "RAY_USAGE_STATS_ENABLED": "0"}
