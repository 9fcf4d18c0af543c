"""vLLM, on Ray or in its own multi-node mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pulumi

from components.images import ImageNeeds
from components.serving.engine import IMAGES, Peer, Process, ServeArgs
from components.serving.topology import check_ranks, spans_machines

MASTER_PORT = 29501


@dataclass(frozen=True)
class Vllm:
    """`vllm serve`, 0.8 and newer (argument names read in 0.8.5 and 0.33.0).

    Attributes:
        executor: `ray`: one process, Ray places the ranks; `mp`: one process a machine, the first with the API.
        program: the command; forks and plugins have their own.
    """

    executor: Literal["ray", "mp"] = "ray"
    name: str = "vllm"
    program: str = "vllm"
    accelerator: str = "GPU"
    collective: bool = True
    cache: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    counters: Sequence[str] = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")  # v1/metrics/loggers.py

    @property
    def ray_resource(self) -> str | None:
        """What Ray calls an accelerator."""
        return self.accelerator if self.executor == "ray" else None

    @property
    def ports(self) -> Mapping[str, int]:
        """The rendezvous; ranks choose more of their own."""
        return {"rendezvous": MASTER_PORT} if self.executor == "mp" else {}

    @property
    def needs(self) -> ImageNeeds:
        """vLLM's own image holds no Ray since 0.18."""
        programs = ("python3", self.program)
        if self.executor != "ray":
            return ImageNeeds(programs)
        return ImageNeeds((*programs, "ray"), ("ray",), IMAGES / "ray")

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`."""
        check_ranks(args, accelerators, equal=self.executor == "mp", ray=True)

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`."""
        return {
            "VLLM_HOST_IP": address,
            "GLOO_SOCKET_IFNAME": nic,
            "NCCL_SOCKET_IFNAME": nic,
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """See `Engine`. vLLM gives its engine core 600 s to load (vllm/envs.py) unless this variable says otherwise.

        PyTorch's symmetric memory passes file descriptors over sockets of one machine. In a tensor parallel group
        over several, ranks whose neighbour is elsewhere fail and the others wait for them for ever: with the default
        of vLLM 0.11 to 0.33 (distributed/device_communicators/symm_mem.py) TP4 over 2 x 2 H200 stands still after
        NCCL has connected. NVLink over machines (GB200 NVL72) can do it: there serving.environment sets 1.
        """
        found = {"VLLM_ENGINE_READY_TIMEOUT_S": str(args.ready_timeout)}
        if spans_machines(args, accelerators):
            found["VLLM_ALLREDUCE_USE_SYMM_MEM"] = "0"
        return found

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """See `Engine`."""
        words = [
            *(self.program, "serve", model),
            f"--served-model-name={args.served_name}",
            f"--tensor-parallel-size={args.tensor_parallel_size}",
            f"--pipeline-parallel-size={args.pipeline_parallel_size}",
            "--host=127.0.0.1",
            f"--port={args.port}",
        ]
        if args.max_model_len is not None:
            words.append(f"--max-model-len={args.max_model_len}")
        if self.executor == "ray":
            return [Process([*words, "--distributed-executor-backend=ray", *args.arguments])]
        return [Process([*words, *_place(args, peers, rank), *args.arguments]) for rank in range(len(peers))]


def _place(args: ServeArgs, peers: Sequence[Peer], rank: int) -> list[str]:
    """A rank's place among several machines; ranks are contiguous on each."""
    if len(peers) == 1:
        return []
    return [
        f"--nnodes={len(peers)}",
        f"--node-rank={rank}",
        f"--master-addr={peers[0].address}",
        f"--master-port={args.engine_port or MASTER_PORT}",
        *(["--headless"] if rank else []),
    ]
