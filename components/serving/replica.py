"""A model served by one engine over all hosts, ready when it has completed a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pulumi

from components.host import Host
from components.machine import GeneratedSecret, RemoteStep
from components.ray import RayCluster
from components.ray.cluster import TOKEN_FILE
from components.rooms import run_workload
from components.serving.engine import GROUP_PORT, Engine, Node, ServeArgs
from components.workload import Workload

FILES = Path(__file__).parent / "files"
QUESTION = Path(__file__).parents[1] / "machine" / "files" / "question.py"
SUPERVISOR = "/tandem/rank_supervisor.py"
GROUP_TOKEN_FILE = "/tandem/group-token"  # noqa: S105  # a path, not a token


class Replica(pulumi.ComponentResource):
    """The engine's ranks, and the proof that they answer.

    Attributes:
        ready: what the first answer reported; known when the model has done once what it is for.
        task: what that is.
        version: changes whenever a container of the engine has changed.
        port: the API's port on loopback of the first host.
    """

    def __init__(
        self,
        name: str,
        *,
        engine: Engine,
        hosts: Sequence[Host],
        accelerators: Sequence[int],
        images: Sequence[pulumi.Input[str]],
        stack: str,
        args: ServeArgs,
        model: pulumi.Input[str],
        environment: Sequence[Mapping[str, pulumi.Input[str]]],
        mounts: Sequence[str],
        cluster: RayCluster | None = None,
        group_port: int = GROUP_PORT,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the engine.

        Args:
            name: Pulumi name; containers carry it. The same for every engine, so that one waits for the end of another.
            engine: which, and how it runs over machines.
            hosts: the first one serves the API.
            accelerators: how many each host brings.
            images: the engine image's id on each host.
            stack: the deployment's own name on machines.
            args: how it serves.
            model: folder of the verified weights, the same on every host.
            environment: each host's environment.
            mounts: folders mounted into every container, the storage among them.
            cluster: the Ray cluster, for an engine whose ranks Ray places.
            group_port: where the supervisors meet, on the first host.
            after: what must be done before a container starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:serving:Replica", name, None, opts)
        head = hosts[0]
        child = pulumi.ResourceOptions(parent=self, depends_on=[*after, *([cluster.counted] if cluster else [])])
        supervisor = {
            f"/tandem/{name}": (FILES / name).read_text() for name in ("rank_supervisor.py", "group.py", "still.py")
        }
        members = [head] if cluster else hosts
        if cluster:
            ranks = args.tensor_parallel_size * args.pipeline_parallel_size
            group = ["--group=ray", f"--accelerators={ranks}", f"--resource={engine.ray_resource}"]
            secret_files = {TOKEN_FILE: cluster.token}
        else:
            token = GeneratedSecret(f"{name}-group", opts=pulumi.ResourceOptions(parent=self)).value
            group = ["--group=peers", f"--ranks={len(hosts)}", f"--port={group_port}", f"--token={GROUP_TOKEN_FILE}"]
            secret_files = {GROUP_TOKEN_FILE: token}
        addresses = [pulumi.Output.from_input(host.machine.peer_address) for host in hosts]
        known = pulumi.Output.all(model, *addresses, *(host.nic for host in hosts))
        own_mounts = [f"/var/lib/tandem/{stack}/cache:{engine.cache}"] if engine.cache else []
        containers = []
        for rank, host in enumerate(members):
            told = [
                *group,
                f"--machine={host.machine.name}",
                f"--accelerator={host.accelerator.kind}",
                "--state=/tandem",
            ]
            containers.append(
                run_workload(
                    f"{host.machine.name}-{name}",
                    host=host,
                    stack=stack,
                    args=Workload(
                        image=images[rank],
                        entrypoint=["python3"],
                        command=known.apply(partial(_supervised, engine, args, (told, rank), tuple(accelerators))),
                        environment={
                            **({**cluster.environment(), "RAY_ADDRESS": cluster.address} if cluster else {}),
                            **environment[rank],
                            **engine.variables(args, accelerators),
                            **args.environment,
                        },
                        files={**supervisor, **engine.files, **secret_files},
                        mounts=[*mounts, *own_mounts, *(cluster.mounts if cluster else ())],
                        sees_processes=cluster is not None,
                        accelerated=True,
                    ),
                    opts=child,
                )
            )
        own = pulumi.Output.all(*(c.id for c in containers)).apply(lambda ids: "-".join(i[:12] for i in ids))
        # Another node takes the ranks with it that stood on the old one: the engine comes up again.
        self.version = pulumi.Output.concat(own, "-", cluster.version) if cluster else own
        ready = RemoteStep(
            f"{head.machine.name}-{name}-ready",
            machine=head.machine,
            stack=stack,
            script=FILES / "ready.sh",
            files={**head.room_files, "question.py": QUESTION},
            environment={
                "FOLDER": model,
                "TASK": args.task or "",
                "CONTAINER": containers[0].name,
                "CONTAINERS": self.version,
                "PORT": str(args.port),
                "MODEL": args.served_name,
                "READY_SECONDS": str(args.ready_timeout),
            },
            long=True,
            timeout=args.ready_timeout + 60,
            after=[container.resource for container in containers],
            parent=self,
        )
        self.ready = ready.result
        self.task = ready.result.apply(lambda found: found.get("task", "chat"))
        self.port = args.port
        self.register_outputs({"version": self.version})


def _supervised(
    engine: Engine, args: ServeArgs, place: tuple[list[str], int], accelerators: tuple[int, ...], known: Sequence[str]
) -> list[str]:
    """The supervisor's words and the engine's, once addresses and interfaces are known."""
    (group, rank), model, rest = place, known[0], known[1:]
    machines = len(accelerators)
    nodes = [Node(*told) for told in zip(rest[:machines], rest[machines:], accelerators, strict=True)]
    process = engine.processes(args, model, nodes)[rank]
    own = [] if engine.ray_resource else [f"--rank={rank}", f"--leader={nodes[0].address}"]
    own += [f"--after={awaited}" for awaited in process.after]
    own += [f"--find={process.find}"] if process.find else []
    return [SUPERVISOR, *group, *own, "--", *process.argv]
