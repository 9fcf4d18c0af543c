"""SGLang over machines, by its own rendezvous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images import ImageRequirements
from components.serving.engine import Peer, Process, ServeArgs
from components.serving.topology import check_ranks

MASTER_PORT = 29501
ATTENTION_PORTS = 14
"""Ports in a row of attention data parallelism, the rendezvous' first: six that follow it and, 13 above, where machines
hear of the others' (PortArgs and DP_ATTENTION_HANDSHAKE_PORT_DELTA in srt/server_args.py)."""


@dataclass(frozen=True)
class Sglang:
    """`python3 -m sglang.launch_server`, 0.4 and newer (read in 0.5.23, where `sglang serve` does the same)."""

    name: str = "sglang"
    ray_resource: str | None = None
    collective: bool = True
    ports: Mapping[str, int] = field(default_factory=lambda: {"rendezvous": MASTER_PORT})
    files: Mapping[str, Path] = field(default_factory=dict)
    counters: Sequence[str] = ()
    cache: str | None = None
    image_requirements: ImageRequirements = field(default_factory=lambda: ImageRequirements(("python3",), ("sglang",)))

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """See `Engine`."""
        return ATTENTION_PORTS if args.data_parallel_size > 1 else 1

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`; SGLang asks for (tp * pp) % nnodes == 0, where its tp holds all data parallel ranks."""
        check_ranks(args, accelerators, equal=True)

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`. SGLANG_HOST_IP is the machine's own address (srt/utils/network.py get_local_ip_auto)."""
        return {
            "SGLANG_HOST_IP": address,
            "GLOO_SOCKET_IFNAME": nic,
            "NCCL_SOCKET_IFNAME": nic,
            "HF_HUB_OFFLINE": "1",
        }

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """See `Engine`. Its first request of its own may take 600 s (srt/entrypoints/http_server.py) otherwise."""
        return {"SGLANG_WARMUP_TIMEOUT": str(args.ready_timeout)}

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """See `Engine`.

        SGLang counts data parallel ranks as parts of its tensor parallel size, and experts over all of that.
        """
        shared = args.tensor_parallel_size * args.data_parallel_size
        words = [
            *("python3", "-m", "sglang.launch_server"),
            f"--model-path={model}",
            f"--served-model-name={args.served_name}",
            f"--tensor-parallel-size={shared}",
            f"--pipeline-parallel-size={args.pipeline_parallel_size}",
            "--host=127.0.0.1",
            f"--port={args.port}",
        ]
        if args.max_model_len is not None:
            words.append(f"--context-length={args.max_model_len}")
        if args.data_parallel_size > 1:
            # From 0.5.23 also --attn-dp-size, which versions before don't know.
            words += [f"--dp-size={args.data_parallel_size}", "--enable-dp-attention"]
        words += [f"--ep-size={shared}"] if args.expert_parallel else []
        found = []
        for rank in range(len(peers)):
            place = [
                f"--nnodes={len(peers)}",
                f"--node-rank={rank}",
                f"--dist-init-addr={peers[0].address}:{args.engine_port or MASTER_PORT}",
            ]
            found.append(
                Process([*words, *(place if len(peers) > 1 or args.data_parallel_size > 1 else []), *args.arguments])
            )
        return found
