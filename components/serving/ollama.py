"""Ollama on one machine, layers offloaded as far as memory goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images import ImageRequirements
from components.serving.engine import IMAGES, Peer, Process, ServeArgs
from components.serving.topology import check_layers, check_one_copy

FILES = Path(__file__).parent / "files"
SCRIPT = "/tandem/ollama.sh"
CACHE = "/var/cache/tandem"


@dataclass(frozen=True)
class Ollama:
    """`ollama serve` with the folder's GGUF file as its model (read and run in 0.17.4).

    Ollama has no arguments: `num_gpu=20` and the like among the user's arguments become `PARAMETER` lines of the model.
    """

    name: str = "ollama"
    ray_resource: str | None = None
    collective: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=lambda: {SCRIPT: FILES / "ollama.sh"})
    counters: Sequence[str] = ()
    cache: str | None = CACHE
    # Its image holds no Python, which the supervisor is written in.
    image_requirements: ImageRequirements = field(
        default_factory=lambda: ImageRequirements(("python3", "bash", "ollama"), recipe=IMAGES / "ollama")
    )

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """See `Engine`."""
        return 1

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """See `Engine`; one machine."""
        check_one_copy(args, self.name)
        check_layers(args, accelerators, one_machine=True)

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`. The model stays loaded."""
        return {
            "OLLAMA_MODELS": CACHE,
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_NOPRUNE": "1",
        }

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """See `Engine`. A load that moves nothing for 5 minutes is given up (envconfig/config.go) otherwise."""
        return {"OLLAMA_LOAD_TIMEOUT": f"{args.ready_timeout}s"}

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """See `Engine`."""
        context = [] if args.max_model_len is None else [f"num_ctx={args.max_model_len}"]
        return [
            Process(
                ["bash", SCRIPT, args.served_name, str(args.port), f"{model}/*.gguf", *context, *args.arguments],
                find=f"{model}/*.gguf",
            )
        ]
