"""vLLM over all hosts, on Ray or in its own multi-node mode, ready when it has completed a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pulumi

from components.containers import ContainerArgs, run_container
from components.host import Host
from components.ray import RayCluster
from components.ray.cluster import TOKEN_FILE
from components.remote import GeneratedSecret, RemoteStep

FILES = Path(__file__).parent / "files"
SUPERVISOR = "/tandem/supervise.py"
GROUP_TOKEN_FILE = "/tandem/group-token"  # noqa: S105  # a path, not a token
GROUP_PORT = 29400
MASTER_PORT = 29501


@dataclass(frozen=True)
class VllmArgs:
    """How vLLM serves.

    Attributes:
        served_name: the name clients ask for.
        tensor_parallel_size: accelerators that share each layer.
        pipeline_parallel_size: stages.
        max_model_len: tokens of prompt and answer; None is the model's own.
        port: the API's port; it listens on loopback of the first host only.
        arguments: more arguments, last, so that the user's win.
        environment: more environment.
        ready_timeout: seconds to the first completion.
    """

    served_name: str
    tensor_parallel_size: int
    pipeline_parallel_size: int
    max_model_len: int | None = None
    port: int = 8100
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_timeout: int = 3600

    def serve(self, model: str) -> list[str]:
        """The words of `vllm serve`, the same on every rank."""
        words = [
            "vllm",
            "serve",
            model,
            f"--served-model-name={self.served_name}",
            f"--tensor-parallel-size={self.tensor_parallel_size}",
            f"--pipeline-parallel-size={self.pipeline_parallel_size}",
            "--host=127.0.0.1",
            f"--port={self.port}",
        ]
        if self.max_model_len is not None:
            words.append(f"--max-model-len={self.max_model_len}")
        return words

    def ray(self, model: str) -> list[str]:
        """On Ray: one process; Ray places the ranks."""
        return [*self.serve(model), "--distributed-executor-backend=ray", *self.arguments]

    def rank(self, model: str, rank: int, ranks: int, master: str) -> list[str]:
        """In vLLM's own mode: one process a machine, the first with the API."""
        words = self.serve(model)
        if ranks > 1:
            words += [
                f"--nnodes={ranks}",
                f"--node-rank={rank}",
                f"--master-addr={master}",
                f"--master-port={MASTER_PORT}",
                *(["--headless"] if rank else []),
            ]
        return [*words, *self.arguments]


class Vllm(pulumi.ComponentResource):
    """The engine and the proof that it answers.

    Attributes:
        ready: what the first completion reported; known when the engine has completed a chat.
        version: changes whenever a container of the engine has changed.
        port: the API's port on loopback of the first host.
    """

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        images: Sequence[pulumi.Input[str]],
        stack: str,
        args: VllmArgs,
        model: pulumi.Input[str],
        environment: Sequence[Mapping[str, pulumi.Input[str]]],
        mounts: Sequence[str],
        cluster: RayCluster | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the engine.

        Args:
            name: Pulumi name.
            hosts: the first one serves the API.
            images: the engine image's id on each host.
            stack: the deployment's own name on machines.
            args: how it serves.
            model: folder of the verified weights, the same on every host.
            environment: each host's environment.
            mounts: folders mounted into every container, the storage among them.
            cluster: serve on this Ray cluster; None is vLLM's own multi-node mode.
            after: what must be done before a container starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:serving:Vllm", name, None, opts)
        head = hosts[0]
        child = pulumi.ResourceOptions(parent=self, depends_on=[*after, *([cluster.counted] if cluster else [])])
        supervisor = (FILES / "supervise.py").read_text()
        containers = []
        members: Sequence[Host]
        if cluster:
            members = [head]
            group = ["--group=ray", f"--accelerators={args.tensor_parallel_size * args.pipeline_parallel_size}"]
            secret_files = {TOKEN_FILE: cluster.token}
        else:
            members = hosts
            token = GeneratedSecret(f"{name}-group", opts=pulumi.ResourceOptions(parent=self)).value
            group = ["--group=peers", f"--ranks={len(hosts)}", f"--port={GROUP_PORT}", f"--token={GROUP_TOKEN_FILE}"]
            secret_files = {GROUP_TOKEN_FILE: token}
        for rank, host in enumerate(members):
            own = [] if cluster else [f"--rank={rank}"]
            command = pulumi.Output.all(model, head.machine.peer_address).apply(
                partial(_supervised, args, [*group, *own], rank=rank, ranks=0 if cluster else len(hosts))
            )
            containers.append(
                run_container(
                    f"{host.machine.name}-{name}",
                    host=host,
                    stack=stack,
                    args=ContainerArgs(
                        image=images[rank],
                        entrypoint=["python3"],
                        command=command,
                        environment={
                            **({**cluster.environment(), "RAY_ADDRESS": cluster.address} if cluster else {}),
                            **environment[rank],
                            **args.environment,
                        },
                        files={SUPERVISOR: supervisor, **secret_files},
                        mounts=[*mounts, *(cluster.mounts if cluster else ())],
                        sees_processes=cluster is not None,
                    ),
                    opts=child,
                )
            )
        self.version = pulumi.Output.all(*(c.id for c in containers)).apply(lambda ids: "-".join(i[:12] for i in ids))
        ready = RemoteStep(
            f"{head.machine.name}-{name}-ready",
            machine=head.machine,
            stack=stack,
            script=FILES / "ready.sh",
            environment={
                "CONTAINER": containers[0].name,
                "CONTAINERS": self.version,
                "PORT": str(args.port),
                "MODEL": args.served_name,
                "READY_SECONDS": str(args.ready_timeout),
            },
            long=True,
            timeout=args.ready_timeout + 60,
            after=containers,
            parent=self,
        )
        self.ready = ready.result
        self.port = args.port
        self.register_outputs({"version": self.version})


def _supervised(args: VllmArgs, group: list[str], known: Sequence[str], *, rank: int, ranks: int) -> list[str]:
    """The supervisor's arguments and the engine's; no `ranks` of ours means that Ray places them."""
    model, leader = known
    if not ranks:
        return [SUPERVISOR, *group, "--", *args.ray(model)]
    return [SUPERVISOR, *group, f"--leader={leader}", "--", *args.rank(model, rank, ranks, leader)]
