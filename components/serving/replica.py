"""A model served by one engine over all hosts, ready when it has completed a chat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pulumi

from components.host import Mount, Node, Workload
from components.machine import GeneratedSecret, RemoteStep
from components.ray import RayCluster
from components.ray.cluster import TOKEN_FILE
from components.serving.engine import GROUP_PORT, Engine, Peer, ServeArgs

FILES = Path(__file__).parent / "files"
PROGRAMS = (
    "rank_supervisor.py",
    "group.py",
    "group_state.py",
    "guard.py",
    "ray_group.py",
    "ray_watch.py",
    "stall_report.py",
    "stall_detector.py",
    "liveness.py",
    "inference_probe.py",
)
SUPERVISOR = "/tandem/rank_supervisor.py"
LIVENESS = "/tandem/liveness.json"
GROUP_TOKEN_FILE = "/tandem/group-token"  # noqa: S105  # a path, not a token


class Replica(pulumi.ComponentResource):
    """The engine's ranks, and the proof that they answer.

    Attributes:
        ready: what the first answer reported; known when the model has done once what it is for.
        task: what that is.
        version: changes whenever a container of the engine has changed.
        container: the first rank's, as scripts on the first host ask for it.
        arguments: the first rank's program and its words.
        port: the API's port on loopback of the first host.
    """

    def __init__(
        self,
        name: str,
        *,
        engine: Engine,
        nodes: Sequence[Node],
        args: ServeArgs,
        model: pulumi.Input[str],
        mounts: Sequence[Mount],
        cluster: RayCluster | None = None,
        group_port: int = GROUP_PORT,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the engine.

        Args:
            name: Pulumi name; containers carry it. The same for every engine, so that one waits for the end of another.
            engine: which, and how it runs over machines.
            nodes: the first one serves the API.
            args: how it serves.
            model: folder of the verified weights, the same on every host.
            mounts: folders mounted into every container, the storage among them.
            cluster: the Ray cluster, for an engine whose ranks Ray places.
            group_port: where the supervisors meet, on the first host.
            after: what must be done before a container starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:serving:Replica", name, None, opts)
        head = nodes[0].host
        child = pulumi.ResourceOptions(parent=self, depends_on=[*after, *([cluster.ready] if cluster else [])])
        supervisor = {f"/tandem/{name}": FILES / name for name in PROGRAMS}
        accelerators = [node.accelerators for node in nodes]
        shared: list[Mount] = []
        if cluster:
            group = ["--group=ray", f"--accelerators={args.world_size}", f"--resource={engine.ray_resource}"]
            secret_files, shared = {TOKEN_FILE: cluster.token}, [cluster.shared]
        else:
            token = GeneratedSecret(f"{name}-group", opts=pulumi.ResourceOptions(parent=self)).value
            group = ["--group=peers", f"--ranks={len(nodes)}", f"--port={group_port}", f"--token={GROUP_TOKEN_FILE}"]
            secret_files = {GROUP_TOKEN_FILE: token}
        # Once for all: each container reads its own part.
        processes = pulumi.Output.all(model, *(node.host.machine.peer_address for node in nodes)).apply(
            partial(_processes, engine, args, nodes)
        )
        containers = []
        for rank, node in enumerate(nodes[:1] if cluster else nodes):
            host = node.host
            own = [
                *group,
                f"--machine={host.machine.name}",
                f"--accelerator={host.accelerator.kind}",
                "--state=/tandem",
            ]
            watched = {LIVENESS: _liveness(engine, args, model)} if engine.counters and not rank else {}
            own += [f"--liveness={LIVENESS}"] if watched else []
            cache = [Mount(f"{host.machine.folder}/cache", engine.cache)] if engine.cache else []
            containers.append(
                host.run(
                    f"{host.machine.name}-{name}",
                    Workload(
                        image=node.image,
                        entrypoint=["python3"],
                        command=processes.apply(partial(_supervised, own, rank)),
                        environment={
                            **({**cluster.environment(), "RAY_ADDRESS": cluster.address} if cluster else {}),
                            **node.environment,
                            **engine.variables(args, accelerators),
                            **args.environment,
                        },
                        files={**supervisor, **engine.files, **secret_files, **watched},
                        mounts=[*mounts, *cache, *shared],
                        sees_processes=cluster is not None,
                        accelerated=True,
                    ),
                    opts=child,
                )
            )
        ids = pulumi.Output.all(*(c.id for c in containers)).apply(lambda ids: "-".join(i[:12] for i in ids))
        # Another node takes the ranks with it that stood on the old one: the engine comes up again.
        self.version = pulumi.Output.concat(ids, "-", cluster.version) if cluster else ids
        ready = RemoteStep(
            f"{head.machine.name}-{name}-ready",
            machine=head.machine,
            script=FILES / "ready.sh",
            files={**head.step_files, **{name: FILES / name for name in ("inference_probe.py", "readiness_status.py")}},
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
        self.container = containers[0].name
        self.arguments: pulumi.Output[list[str]] = processes.apply(lambda found: found[0][1])
        self.register_outputs({"version": self.version})


def _processes(
    engine: Engine, args: ServeArgs, nodes: Sequence[Node], known: Sequence[str]
) -> list[tuple[list[str], list[str]]]:
    """Words of each process for the supervisor, and its own, once model and addresses are known."""
    model, *addresses = known
    peers = [Peer(address, node.accelerators) for address, node in zip(addresses, nodes, strict=True)]
    machines = [f"--node={a}={node.host.machine.name}" for a, node in zip(addresses, nodes, strict=True)]
    found = []
    for rank, process in enumerate(engine.processes(args, model, peers)):
        place = machines if engine.ray_resource else [f"--rank={rank}", f"--leader={addresses[0]}"]
        place = [*place, *(f"--after={awaited}" for awaited in process.after)]
        place += [f"--find={process.find}"] if process.find else []
        found.append((place, list(process.argv)))
    return found


def _liveness(engine: Engine, args: ServeArgs, model: pulumi.Input[str]) -> pulumi.Output[str]:
    """What the first rank's supervisor asks so as to see that tokens are made."""
    liveness: dict[str, object] = {"base": f"http://127.0.0.1:{args.port}/v1", "model": args.served_name}
    liveness |= {"task": args.task or "", "ranks": args.data_parallel_size}
    return pulumi.Output.from_input(model).apply(
        lambda folder: json.dumps({**liveness, "folder": folder, "series": list(engine.counters)})
    )


def _supervised(own: Sequence[str], rank: int, processes: Sequence[tuple[list[str], list[str]]]) -> list[str]:
    """The supervisor's arguments and the engine's, of one container."""
    place, argv = processes[rank]
    return [SUPERVISOR, *own, *place, "--", *argv]
