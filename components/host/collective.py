"""A collective over all accelerators of all hosts, before weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.host.host import Host
from components.machine import RemoteStep

FILES = Path(__file__).parent / "files"
PORT = 29417
BACKENDS = {"nvidia": "nccl", "ascend": "hccl", "cpu": "gloo"}


class Collective(pulumi.ComponentResource):
    """An all-reduce over every accelerator, inside the engine's image, on all hosts at once.

    It proves that containers see the accelerators, that the machines reach each other on the path chosen for them,
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
        hosts: Sequence[Host],
        images: Sequence[pulumi.Input[str]],
        stack: str,
        mounts: Sequence[str] = (),
        environment: Mapping[str, pulumi.Input[str]] | None = None,
        mib: int = 256,
        port: int = PORT,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the collective.

        Args:
            name: Pulumi name.
            hosts: all hosts, the first one is where they meet.
            images: the engine image's id on each host.
            stack: the deployment's own name on machines.
            mounts: folders the image needs, `source:target[:ro]`.
            environment: the engine's own, so that what is proven is what it will use; it wins over what is chosen here.
            mib: size of each all-reduce, MiB.
            port: where the ranks meet, on the first host.
            after: what must be there first, beside the hosts.
            opts: Pulumi options.
        """
        super().__init__("tandem:host:Collective", name, None, opts)
        head = hosts[0]
        ready = [*after, *(resource for host in hosts for resource in host.ready)]
        names = RemoteStep(
            f"{head.machine.name}-{name}-names",
            machine=head.machine,
            stack=stack,
            script=FILES / "names.sh",
            environment={"NAMES": pulumi.Output.all(*(_named(host) for host in hosts)).apply(" ".join)},
            timeout=30,
            after=ready,
            parent=self,
        )
        everybody = pulumi.Output.all(*images).apply(" ".join)
        steps = [
            RemoteStep(
                f"{host.machine.name}-{name}",
                machine=host.machine,
                stack=stack,
                script=FILES / "collective.sh",
                files={"collective.py": FILES / "collective.py", **host.room_files},
                environment={
                    "STACK_CONTAINER": f"{stack}-{host.machine.name}-{name}",
                    "IMAGE": images[rank],
                    "IMAGES": everybody,  # another image anywhere: all take part again
                    "NODES": str(len(hosts)),
                    "NODE_RANK": str(rank),
                    "COUNT": str(host.accelerator.count),
                    "ADDRESS": head.machine.peer_address,
                    "PORT": str(port),
                    "BACKEND": BACKENDS[host.accelerator.kind],
                    "MIB": str(mib),
                    "NETWORK": _network(host, environment or {}),
                    "DOCKER_OPTIONS": _options(host, mounts),
                },
                long=True,
                timeout=300,
                after=[*ready, names.done],
                parent=self,
            )
            for rank, host in enumerate(hosts)
        ]
        self.proven = [step.done for step in steps]
        self.bandwidth = steps[0].result.apply(lambda found: float(found.get("bus_gb_per_s", "0")))
        self.transports = steps[0].result.apply(lambda found: found.get("transports", ""))
        self.register_outputs({"bandwidth": self.bandwidth, "transports": self.transports})


def _named(host: Host) -> pulumi.Output[str]:
    return pulumi.Output.concat(host.machine.name, "=", host.hostname)


def _network(host: Host, environment: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """`NAME=value` lines: the interface and the RDMA devices of this machine, and what the engine is told."""
    own: dict[str, pulumi.Input[str]] = {"GLOO_SOCKET_IFNAME": host.nic, **host.access.environment}
    if host.accelerator.kind == "ascend":
        own |= {"HCCL_IF_IP": host.machine.peer_address, "HCCL_SOCKET_IFNAME": host.nic}
    else:
        own["NCCL_SOCKET_IFNAME"] = host.nic
    told = {**own, **environment}
    return pulumi.Output.all(**told).apply(
        lambda found: "\n".join(f"{k}={v}" for k, v in sorted(found.items()) if v and "\n" not in str(v))
    )


def _options(host: Host, mounts: Sequence[str]) -> pulumi.Output[str]:
    """Words for `docker run`: the same access that the engine's containers get."""
    access = host.access
    fixed = [f"--cap-add={capability}" for capability in access.capabilities]
    fixed += [f"--volume={mount}" for mount in (*access.mounts, *mounts)]
    devices = access.devices if access.devices is not None else pulumi.Output.from_input([])
    gpus = access.gpus if access.gpus is not None else pulumi.Output.from_input("")
    return pulumi.Output.all(devices, host.locked_memory, gpus).apply(
        lambda all_: " ".join(
            [
                *([_gpus(all_[2])] if all_[2] else []),
                *fixed,
                f"--ulimit=memlock={all_[1]}",
                *(f"--device={device}" for device in all_[0]),
            ]
        )
    )


def _gpus(gpus: str) -> str:
    """An option of `docker run`, which reads it as a line of CSV: a list stands in quotes."""
    return "--gpus=all" if gpus == "all" else f'--gpus="device={gpus}"'
