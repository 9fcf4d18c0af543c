"""A collective over all accelerators of all hosts, before weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.host.host import Host
from components.host.node import Node
from components.host.workload import Mount
from components.machine import RemoteStep, local_command

FILES = Path(__file__).parent / "files"
PORT = 29417
BACKENDS = {"nvidia": "nccl", "ascend": "hccl", "cpu": "gloo"}


class CollectiveCheck(pulumi.ComponentResource):
    """An all-reduce over every accelerator, by the engine's programs, on all hosts at once.

    It proves that workloads see the accelerators, that the machines reach each other on the path chosen for them,
    and that sums are right; and it says the bandwidth and what carried it (`NET/IB` or `NET/Socket`). All machines
    succeed or none does; a failure is tried again by the next `pulumi up`, on all of them.

    Attributes:
        proven: done when every rank was there.
        bandwidth: bus bandwidth as nccl-tests define it, GB/s.
        transports: what NCCL says carried the bytes, comma separated.
    """

    bandwidth: pulumi.Output[float]
    transports: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        nodes: Sequence[Node],
        mounts: Sequence[Mount] = (),
        environment: Mapping[str, pulumi.Input[str]] | None = None,
        mib: int = 256,
        port: int = PORT,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the check.

        Args:
            name: Pulumi name.
            nodes: all of them; the ranks meet on the first.
            mounts: folders that the image needs.
            environment: the engine's own, so that what is proven is what it will use; it wins over what is chosen here.
            mib: size of each all-reduce, MiB.
            port: where the ranks meet, on the first host.
            after: what must be there first, beside the hosts.
            opts: Pulumi options.
        """
        super().__init__("tandem:host:CollectiveCheck", name, None, opts)
        head = nodes[0].host
        ready = [*after, *(node.host.prepared for node in nodes)]
        everybody = pulumi.Output.all(*(node.image for node in nodes)).apply(" ".join)
        # One step on the first machine stands for all being ready: each of the others would need all of them otherwise.
        names = RemoteStep(
            f"{head.machine.name}-{name}-names",
            machine=head.machine,
            script=FILES / "names.sh",
            environment={
                "NAMES": pulumi.Output.all(
                    *(pulumi.Output.concat(n.host.machine.name, "=", n.host.hostname) for n in nodes)
                ).apply(" ".join),
                "IMAGES": everybody,
            },
            timeout=30,
            after=ready,
            parent=self,
        )
        images = names.result.apply(lambda found: found.get("images", ""))
        steps = [
            RemoteStep(
                f"{node.host.machine.name}-{name}",
                machine=node.host.machine,
                script=FILES / "collective.sh",
                files={"collective.py": FILES / "collective.py", **node.host.step_files},
                environment={
                    "STACK_CONTAINER": f"{node.host.machine.stack}-{node.host.machine.name}-{name}",
                    "IMAGE": node.image,
                    "IMAGES": images,  # another image anywhere: all take part again
                    "NODES": str(len(nodes)),
                    "NODE_RANK": str(rank),
                    "COUNT": str(node.host.accelerator.count),
                    "ADDRESS": head.machine.peer_address,
                    "PORT": str(port),
                    "BACKEND": BACKENDS[node.host.accelerator.kind],
                    "MIB": str(mib),
                    "RUN_ENVIRONMENT": _variables(node.host, environment or {}),
                    "RUN_OPTIONS": node.host.run_options(mounts).apply("\n".join),
                },
                long=True,
                timeout=300,
                after=[names.done],
                parent=self,
            )
            for rank, node in enumerate(nodes)
        ]
        self.proven = local_command(
            f"{name}-proven",
            call={},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[step.done for step in steps]),
        )
        self.bandwidth = steps[0].result.apply(lambda found: float(found.get("bus_gb_per_s", "0")))
        self.transports = steps[0].result.apply(lambda found: found.get("transports", ""))
        self.register_outputs({"bandwidth": self.bandwidth, "transports": self.transports})


def _variables(host: Host, environment: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """`NAME=value` lines: the interface and the RDMA devices of this machine, and the engine's own environment."""
    own: dict[str, pulumi.Input[str]] = {"GLOO_SOCKET_IFNAME": host.nic, **host.access.environment}
    if host.accelerator.kind == "ascend":
        own |= {"HCCL_IF_IP": host.machine.peer_address, "HCCL_SOCKET_IFNAME": host.nic}
    else:
        own["NCCL_SOCKET_IFNAME"] = host.nic
    return pulumi.Output.all(**{**own, **environment}).apply(
        lambda found: "\n".join(f"{k}={v}" for k, v in sorted(found.items()) if v and "\n" not in str(v))
    )
