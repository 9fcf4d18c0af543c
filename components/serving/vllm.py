"""vLLM, on Ray or in its own multi-node mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pulumi

from components.images import ImageRequirements
from components.serving.engine import IMAGES, Peer, Process, ServeArgs
from components.serving.topology import check_one_copy, check_ranks, data_ranks, ranks_span, spans_machines
from planner import Change, Refusal

MASTER_PORT = 29501
"""Rendezvous of ranks, or of data parallel ranks; where those lie on several machines each, the next one is theirs."""

API_COUNT = ("--api-server-count", "-asc")


@dataclass(frozen=True)
class Vllm:
    """`vllm serve`, 0.8 and newer (argument names read in 0.8.5 and 0.33.0).

    Attributes:
        executor: `ray`: one process, Ray places the ranks; `mp`: one process a machine, the first with the API.
        program: the command; forks and plugins have their own.
        data_parallel: whether its vLLM has data parallel ranks on several machines (from 0.9.2).
    """

    executor: Literal["ray", "mp"] = "ray"
    name: str = "vllm"
    program: str = "vllm"
    accelerator: str = "GPU"
    collective: bool = True
    cache: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    data_parallel: bool = True
    # v1/metrics/loggers.py. A prompt is counted when all of it is computed; its part of the KV cache grows meanwhile.
    counters: Sequence[str] = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:kv_cache_usage_perc")

    @property
    def ray_resource(self) -> str | None:
        """What Ray calls an accelerator."""
        return self.accelerator if self.executor == "ray" else None

    @property
    def ports(self) -> Mapping[str, int]:
        """The rendezvous; ranks choose more of their own."""
        return {"rendezvous": MASTER_PORT} if self.executor == "mp" else {}

    @property
    def image_requirements(self) -> ImageRequirements:
        """vLLM's own image holds no Ray since 0.18."""
        programs = ("python3", self.program)
        if self.executor != "ray":
            return ImageRequirements(programs)
        return ImageRequirements((*programs, "ray"), ("ray",), IMAGES / "ray")

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """See `Engine`."""
        return 2 if ranks_span(args, accelerators) else 1

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`. Data parallel ranks are placed one by one, so machines may be uneven."""
        if not self.data_parallel:
            check_one_copy(args, self.name)
        data = args.data_parallel_size > 1
        check_ranks(args, accelerators, equal=self.executor == "mp" and not data, ray=True)
        if data:
            data_ranks(args, accelerators)
        if self.executor == "mp" and ranks_span(args, accelerators) and not args.expert_parallel:
            # All meet at one address, which ranks that share no experts wouldn't (init_distributed_environment).
            raise Refusal(
                "ranks_span_machines",
                "data_parallel_size",
                f"is {args.data_parallel_size}, each rank on several "
                "machines, which vLLM's own ranks do where they spread experts",
                "",
                [Change("enable_expert_parallel", True)],
            )

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
        if self.executor == "ray" and args.data_parallel_size > 1:
            # How Ray packs data parallel ranks (create_dp_placement_groups in v1/engine/utils.py).
            placed = data_ranks(args, accelerators)
            wide = ranks_span(args, accelerators)
            found["VLLM_RAY_DP_PACK_STRATEGY"] = "span" if wide else "strict" if len(set(placed)) == 1 else "fill"
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
        words += ["--enable-expert-parallel"] if args.expert_parallel else []
        if self.executor == "ray":
            words += ["--distributed-executor-backend=ray", *_on_ray(args, peers)]
            return [Process([*words, *args.arguments])]
        found = [Process([*words, *_place(args, peers, 0), *args.arguments])]
        headless = _without_api(args.arguments)
        found += [Process([*words, *_place(args, peers, rank), *headless]) for rank in range(1, len(peers))]
        return found


def _without_api(words: Sequence[str]) -> list[str]:
    """The user's words for a machine without an API: one that is to have several of it is refused (cli/serve.py)."""
    found: list[str] = []
    for word in words:
        name = word.partition("=")[0].replace("_", "-")
        follows = bool(found) and found[-1] in API_COUNT
        if follows and not word.startswith("-"):
            found.pop()
        elif name not in API_COUNT or "=" not in word:
            found.append(word)
    return found


def _on_ray(args: ServeArgs, peers: Sequence[Peer]) -> list[str]:
    """Data parallel ranks that Ray places; the first machine has as many as it can."""
    if args.data_parallel_size == 1:
        return []
    accelerators = [peer.accelerators for peer in peers]
    local = (
        [] if ranks_span(args, accelerators) else [f"--data-parallel-size-local={data_ranks(args, accelerators)[0]}"]
    )
    return [
        "--data-parallel-backend=ray",
        f"--data-parallel-size={args.data_parallel_size}",
        *local,
        f"--data-parallel-address={peers[0].address}",
    ]


def _place(args: ServeArgs, peers: Sequence[Peer], rank: int) -> list[str]:
    """A machine's place among several; ranks are contiguous on each. The first one's API shares requests out."""
    port = args.engine_port or MASTER_PORT
    accelerators, data = [peer.accelerators for peer in peers], args.data_parallel_size
    words = [f"--data-parallel-size={data}"] if data > 1 else []
    if len(peers) == 1:
        return words
    headless = ["--headless"] if rank else []
    if data > 1:
        spans = ranks_span(args, accelerators)
        words += [f"--data-parallel-address={peers[0].address}", f"--data-parallel-rpc-port={port + spans}"]
        if not spans:
            placed = data_ranks(args, accelerators)
            words.append(f"--data-parallel-size-local={placed[rank]}")
            # A first machine that names its first rank, too, would want an API on each (serve.py, is_hybrid_lb).
            return [*words, *headless, *([f"--data-parallel-start-rank={sum(placed[:rank])}"] if rank else [])]
    return [
        *words,
        f"--nnodes={len(peers)}",
        f"--node-rank={rank}",
        f"--master-addr={peers[0].address}",
        f"--master-port={port}",
        *headless,
    ]
