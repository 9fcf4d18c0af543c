"""What every engine says of itself: pure data, from which `Replica` makes containers.

An engine gets the machines in order, the first with the API, and answers with one process for each machine
that gets a container of its own. Ranks of one replica live and die together (docs/decisions/0004), whatever the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pulumi

from components.images import ImageRequirements

IMAGES = Path(__file__).parent / "images"
"""Recipes of images that lack something: a folder each."""
GROUP_PORT = 29400
"""Where the supervisors of a replica meet; no engine here uses it."""


@dataclass(frozen=True)
class ServeArgs:
    """How a model is served, in the words that all engines share.

    Attributes:
        served_name: the name clients ask for.
        tensor_parallel_size: accelerators that share each layer.
        pipeline_parallel_size: stages the layers are cut into.
        data_parallel_size: ranks with attention and KV cache of their own, each of tensor x pipeline accelerators.
        expert_parallel: routed experts are spread whole over the accelerators, not each cut.
        max_model_len: tokens of prompt and answer; None is the model's own.
        port: the API's port; it listens on loopback of the first machine only.
        arguments: more arguments of the engine's own, last, so that the user's win.
        environment: more environment.
        ready_timeout: seconds to the first completion.
        engine_port: the engine's own port between machines, the first of `Engine.port_count`; None takes the one in
            `Engine.ports`.
        task: what the model is for, as in components/serving/files/inference_probe.py; None is found from its files.
    """

    served_name: str
    tensor_parallel_size: int
    pipeline_parallel_size: int
    max_model_len: int | None = None
    port: int = 8100
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_timeout: int = 3600
    engine_port: int | None = None
    task: str | None = None
    data_parallel_size: int = 1
    expert_parallel: bool = False

    @property
    def world_size(self) -> int:
        """Accelerators, one a rank."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size


@dataclass(frozen=True)
class Peer:
    """A machine as an engine sees it.

    Attributes:
        address: where the other machines reach it.
        accelerators: how many it brings.
    """

    address: str
    accelerators: int


@dataclass(frozen=True)
class Process:
    """One engine process: what the supervisor starts in a machine's container.

    Attributes:
        argv: the program and its words.
        after: `host:port` that must listen before it starts.
        find: one of the words that is a pattern, `FOLDER/*.gguf`, of a file to look for on the machine.
    """

    argv: Sequence[str]
    after: Sequence[str] = ()
    find: str = ""


class Engine(Protocol):
    """One way to serve a model over machines.

    Attributes:
        name: as settings and containers call it.
        ray_resource: what Ray calls its accelerators when Ray places the ranks, `GPU` or `NPU`; None without Ray.
        ports: its own port between machines by what it is for, beside the API's; `ServeArgs.engine_port` moves it.
        files: programs of ours it needs in its containers, by path inside.
        cache: folder inside its containers that outlives them, so that a restart is quicker; None for none.
        image_requirements: what its image must hold.
        counters: names of what moves at /metrics of the API's port while it computes; none where it has none.
    """

    @property
    def name(self) -> str:
        """As settings and containers call it."""

    @property
    def ray_resource(self) -> str | None:
        """What Ray counts, or None."""

    @property
    def ports(self) -> Mapping[str, int]:
        """Ports between the machines."""

    @property
    def files(self) -> Mapping[str, Path]:
        """Programs of ours in its containers."""

    @property
    def collective(self) -> bool:
        """Whether its environment holds torch, whose all-reduce then proves the machines."""

    @property
    def cache(self) -> str | None:
        """A folder that outlives containers."""

    @property
    def image_requirements(self) -> ImageRequirements:
        """What its image must hold."""

    @property
    def counters(self) -> Sequence[str]:
        """Counters of tokens."""

    def port_count(self, args: ServeArgs, accelerators: Sequence[int]) -> int:
        """How many ports in a row it listens on from each one of `ports`.

        Args:
            args: how it serves.
            accelerators: of each machine.
        """

    def check(self, args: ServeArgs, accelerators: Sequence[int]) -> None:
        """The engine can run so.

        Args:
            args: how it serves.
            accelerators: of each machine.

        Raises:
            planner.Refusal: it can't; with the setting, the reason and what would work.
        """

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """What every process of the engine must know of its machine."""

    def variables(self, args: ServeArgs, accelerators: Sequence[int]) -> dict[str, str]:
        """Environment that follows from how it serves: its own limits, and what can't work over these machines.

        Args:
            args: how it serves; its `environment` wins over this.
            accelerators: of each machine.
        """

    def processes(self, args: ServeArgs, model: str, peers: Sequence[Peer]) -> list[Process]:
        """The processes of the first machines, in order: all of them, or the first alone where others place the rest.

        Args:
            args: how it serves.
            model: folder of the weights, the same on every machine.
            peers: the machines.
        """
