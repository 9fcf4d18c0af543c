"""llama.cpp over machines: RPC servers on all but the first, `llama-server` there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images import ImageRequirements
from components.serving.engine import IMAGES, Peer, Process, ServeArgs
from components.serving.topology import check_layers, check_one_copy

RPC_PORT = 50052
"""The RPC server's own default."""
CACHE = "/var/cache/tandem"


@dataclass(frozen=True)
class LlamaCpp:
    """llama.cpp with RPC (read and run in b11434), the same build on every machine: the protocol is not kept stable.

    RPC has no authentication: it listens on the machine's private address only, and belongs behind a firewall.
    Each RPC server brings all devices of its machine; layers are shared out by free memory.
    """

    name: str = "llamacpp"
    ray_resource: str | None = None
    collective: bool = False
    ports: Mapping[str, int] = field(default_factory=lambda: {"rpc": RPC_PORT})
    files: Mapping[str, Path] = field(default_factory=dict)
    counters: Sequence[str] = ()
    cache: str | None = CACHE
    # Official images hold no RPC server, and llama-server outside PATH.
    image_requirements: ImageRequirements = field(
        default_factory=lambda: ImageRequirements(
            ("python3", "llama-server", "ggml-rpc-server"), recipe=IMAGES / "llamacpp"
        )
    )

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """See `Engine`."""
        return 1

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`; at most 15 devices, local and remote together."""
        check_one_copy(args, self.name)
        check_layers(args, accelerators)

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`. Below LLAMA_CACHE the RPC server keeps tensors, so that the second load is local."""
        return {"LLAMA_CACHE": CACHE}

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """See `Engine`. llama-server waits for a load as long as it takes."""
        return {}

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """See `Engine`. The model is the folder's GGUF file, or the first of a split one."""
        port = args.engine_port or RPC_PORT
        servers = [f"{peer.address}:{port}" for peer in peers[1:]]
        words = [
            *("llama-server", "--model", f"{model}/*.gguf", "--alias", args.served_name),
            *("--host", "127.0.0.1", "--port", str(args.port), "--no-ui"),
            *("--gpu-layers", "all", "--split-mode", "layer"),
        ]
        if args.max_model_len is not None:
            words += ["--ctx-size", str(args.max_model_len)]
        if servers:
            words += ["--rpc", ",".join(servers)]
        rpc = [
            Process(["ggml-rpc-server", "--host", peer.address, "--port", str(port), "--cache"]) for peer in peers[1:]
        ]
        return [Process([*words, *args.arguments], after=servers, find=f"{model}/*.gguf"), *rpc]
