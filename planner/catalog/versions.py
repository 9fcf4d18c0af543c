"""vLLM's versions: what each does on start that decides memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from planner.catalog.table import table
from planner.refusal import Change, Refusal


@dataclass(frozen=True)
class EngineVersion:
    """What one version does; the fields are described in data/engines.yaml."""

    version: str
    utilization: float
    capability: tuple[float, float]
    v2_runner: tuple[str, ...] | Literal["all", "none"]
    max_split: int | None
    graph_estimate: Literal["none", "v1", "all"]
    whole_context: bool
    hybrid_groups: bool
    sampler_buffer: bool
    refine_experts: bool
    states_cached: bool
    counts_in_flight: bool
    fused_reduce: bool
    keeps_scales: bool

    def second_runner(self, architecture: str) -> bool:
        """Whether the second model runner serves models of this class."""
        if isinstance(self.v2_runner, str):
            return self.v2_runner == "all"
        return architecture in self.v2_runner

    def estimates_graphs(self, architecture: str) -> bool:
        """Whether memory for CUDA graphs is estimated and kept free for models of this class."""
        return self.graph_estimate == "all" or (self.graph_estimate == "v1" and not self.second_runner(architecture))


@cache
def vllm_version(version: str) -> EngineVersion:
    """The rules that a vLLM version follows.

    Raises:
        Refusal: `unknown_engine_version` for one older than the oldest known, or no version at all.
    """
    known = {name: _number(name) for name in table("engines")["vllm"]}
    asked = _number(version)
    earlier = [name for name, number in known.items() if number <= asked] if asked else []
    if not earlier:
        first = min(known, key=lambda name: known[name])
        raise Refusal(
            "unknown_engine_version", "engine_version", f"{version[:40]!r} is no vLLM version the planner knows",
            f"use {first} or later, such as 0.24.0", (Change("engine_version", "0.24.0"),),
        )  # fmt: skip
    name = max(earlier, key=lambda n: known[n])
    entry = table("engines")["vllm"][name]
    low, high = (float(c) for c in entry["capability"])
    runner = entry["v2_runner"]
    return EngineVersion(
        version=version.removeprefix("v"), utilization=entry["utilization"], capability=(low, high),
        v2_runner=tuple(runner) if isinstance(runner, list) else runner,
        max_split=entry["max_split_mib"] * 2**20 or None, graph_estimate=entry["graph_estimate"],
        whole_context=entry["whole_context"], hybrid_groups=entry["hybrid_groups"],
        sampler_buffer=entry["sampler_buffer"],
        refine_experts=entry["refine_experts"],
        states_cached=entry["states_cached"],
        counts_in_flight=entry["counts_in_flight"],
        fused_reduce=entry["fused_reduce"],
        keeps_scales=entry["keeps_scales"],
    )  # fmt: skip


def _number(version: str) -> tuple[int, ...]:
    parts = version.removeprefix("v").split("+")[0].split(".")[:3]
    return tuple(int(p) for p in parts) if len(parts) >= 2 and all(p.isascii() and p.isdigit() for p in parts) else ()
