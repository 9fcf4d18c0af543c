"""TensorRT-LLM over machines: one MPI rank a GPU, started by `mpirun` on the first."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images import ImageRequirements
from components.serving.engine import Peer, Process, ServeArgs
from components.serving.topology import check_one_copy, check_ranks

FILES = Path(__file__).parent / "files"
AGENT = "/tandem/mpi_agent.py"
AGENT_PORT = 29500


@dataclass(frozen=True)
class TensorRtLlm:
    """`trtllm-serve` with the PyTorch backend under Open MPI (flags as documented for 1.2).

    MPI starts its daemons through an agent of ours instead of SSH: the other machines' containers listen for
    the first one's, which proves that it knows the group's token (files/mpi_agent.py). Ranks have the environment of
    the container they run in, so each machine's own interface is named there.
    """

    name: str = "tensorrt-llm"
    ray_resource: str | None = None
    collective: bool = True
    ports: Mapping[str, int] = field(default_factory=lambda: {"mpi launch": AGENT_PORT})
    files: Mapping[str, Path] = field(default_factory=lambda: {AGENT: FILES / "mpi_agent.py"})
    counters: Sequence[str] = ()
    cache: str | None = None
    image_requirements: ImageRequirements = field(
        default_factory=lambda: ImageRequirements(("python3", "trtllm-serve"))
    )

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """See `Engine`."""
        return 1

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`."""
        check_one_copy(args, self.name, "its own attention DP and EP are options of its --extra_llm_api_options file")
        check_ranks(args, accelerators, equal=True)

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`."""
        return {"NCCL_SOCKET_IFNAME": nic, "GLOO_SOCKET_IFNAME": nic, "HF_HUB_OFFLINE": "1"}

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """See `Engine`. trtllm-serve has no limit of its own on its start."""
        return {}

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """See `Engine`."""
        words = [
            *("trtllm-serve", model),
            *("--backend", "pytorch"),
            *("--tp_size", str(args.tensor_parallel_size), "--pp_size", str(args.pipeline_parallel_size)),
            *("--host", "127.0.0.1", "--port", str(args.port)),
        ]
        if args.max_model_len is not None:
            words += ["--max_seq_len", str(args.max_model_len)]
        words += args.arguments
        if len(peers) == 1:
            return [Process(words)]
        ranks = args.tensor_parallel_size * args.pipeline_parallel_size // len(peers)
        port = args.engine_port or AGENT_PORT
        # The agent that mpirun starts has to know where its peers listen; Open MPI splits these words at blanks.
        variables = f"env TANDEM_MPI_PORT={port} " if args.engine_port else ""
        launch = [
            *("mpirun", "--allow-run-as-root", "--leave-session-attached"),
            *("--mca", "plm_rsh_agent", f"{variables}python3 {AGENT} run", "--mca", "plm_rsh_no_tree_spawn", "1"),
            *_networks([peer.address for peer in peers]),
            *("-np", str(ranks * len(peers)), "--map-by", f"ppr:{ranks}:node"),
            *("-H", ",".join(f"{peer.address}:{ranks}" for peer in peers)),
            "trtllm-llmapi-launch",
        ]
        agents = [
            Process(["python3", AGENT, "serve", f"--address={peer.address}", f"--port={port}"]) for peer in peers[1:]
        ]
        return [Process([*launch, *words], after=[f"{n.address}:{port}" for n in peers[1:]]), *agents]


def _networks(addresses: Sequence[str]) -> list[str]:
    """Open MPI's own traffic by the smallest network that holds all machines, or it tries Docker's bridge too.

    By name it would have to be the same interface everywhere: mpirun hands its own to the other machines.
    """
    try:
        numbers = [int(ipaddress.IPv4Address(address)) for address in addresses]
    except ValueError:
        return []  # host names: Open MPI finds its way by itself
    differing = max(number ^ numbers[0] for number in numbers).bit_length()
    network = ipaddress.IPv4Network((numbers[0] >> differing << differing, 32 - differing))
    return [w for layer in ("oob", "btl") for w in ("--mca", f"{layer}_tcp_if_include", str(network))]
