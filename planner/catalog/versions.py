"""vLLM's versions: what each does on start that decides memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from planner.catalog.table import entries
from planner.refusal import Change, Refusal


@dataclass(frozen=True)
class EngineVersion:
    """What one version does on start that decides memory.

    Attributes:
        utilization: `gpu_memory_utilization`'s default.
        capability: lowest and highest compute capability that the released builds run on.
        v2_runner: architectures served by the second model runner, or all, or none.
        max_split_mib: MiB of `max_split_size_mb` while a model loads; 0: no limit.
        graph_estimate: v1: CUDA graphs are estimated and kept free only under the first runner; all; none.
        whole_context: the profile counts the whole CUDA context, not only what grew after it began.
        hybrid_groups: layers of different kinds share one pool of blocks by groups.
        sampler_buffer: top-p goes by a Triton kernel with a buffer instead of sorting.
        refine_experts: experts' FP8 blocks are made finer where a part isn't whole blocks
            (resolve_fp8_moe_weight_block_shape).
        states_cached: linear-attention states take two blocks a request by default, for prefix caching
            (mamba_cache_mode align).
        counts_in_flight: sliding windows keep the tokens of every batch in flight, not of one
            (VllmConfig.max_in_flight_tokens).
        fused_reduce: compiled tensor-parallel models sum together with the norm, in FlashInfer's buffers
            (optimization level 2).
        keeps_scales: MXFP4 experts keep the checkpoint's scales beside the kernel's own (mxfp4.py).
        version: the version that was asked for.
    """

    utilization: float
    capability: tuple[float, float]
    v2_runner: tuple[str, ...] | Literal["all", "none"]
    max_split_mib: int
    graph_estimate: Literal["none", "v1", "all"]
    whole_context: bool
    hybrid_groups: bool
    sampler_buffer: bool
    refine_experts: bool
    states_cached: bool
    counts_in_flight: bool
    fused_reduce: bool
    keeps_scales: bool
    version: str = ""

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
    rules = entries("vllm_versions", EngineVersion)
    known = {name: _number(name) for name in rules}
    asked = _number(version)
    earlier = [name for name, number in known.items() if number <= asked] if asked else []
    if not earlier:
        first = min(known, key=lambda name: known[name])
        raise Refusal(
            "unknown_engine_version", "engine_version", f"{version[:40]!r} is no vLLM version the planner knows",
            f"to another from {first} on", (Change("engine_version", "0.24.0"),),
        )  # fmt: skip
    return replace(rules[max(earlier, key=lambda n: known[n])], version=version.removeprefix("v"))


def _number(version: str) -> tuple[int, ...]:
    parts = version.removeprefix("v").split("+")[0].split(".")[:3]
    return tuple(int(p) for p in parts) if len(parts) >= 2 and all(p.isascii() and p.isdigit() for p in parts) else ()
