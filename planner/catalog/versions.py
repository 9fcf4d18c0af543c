"""vLLM's versions: what each does on start that decides memory."""

from functools import cache
from typing import Any, Literal, NamedTuple

from planner.catalog.table import convert, entries
from planner.refusal import Change, Refusal


class EngineVersion(NamedTuple):
    """What one version does on start that decides memory.

    Attributes:
        source: where it was read.
        utilization: `gpu_memory_utilization`'s default.
        capability: lowest and highest compute capability that the released builds run on.
        v2_runner: architectures served by the second model runner, or all, or none.
        v2_quantized: whether the second runner serves quantized models, too.
        v2_dense: it serves every model without experts and linear-attention states, beside those of `v2_runner`.
        max_split_mib: MiB of `max_split_size_mb` while a model loads; 0: no limit.
        graph_estimate: v1: CUDA graphs are estimated and kept free only under the first runner; all; none.
        whole_context: the profile counts the whole CUDA context, not only what grew after it began.
        nccl_counted: what NCCL takes as it starts counts against the engine's share: the device is looked at before.
        hybrid_groups: layers of different kinds share one pool of blocks by groups.
        sampler_buffer: top-p goes by a Triton kernel with a buffer instead of sorting.
        refine_experts: experts' FP8 blocks are made finer where a part isn't whole blocks
            (resolve_fp8_moe_weight_block_shape).
        states_cached: linear-attention states take two blocks a request for prefix caching
            (mamba_cache_mode align): never, where it is asked for, or unless it is switched off.
        counts_in_flight: sliding windows keep the tokens of every batch in flight, not of one
            (VllmConfig.max_in_flight_tokens).
        fused_reduce: compiled tensor-parallel models sum together with the norm, in FlashInfer's buffers
            (optimization level 2).
        fused_stages: they do so with several pipeline stages, too.
        logs_capacity: the log's tokens of the KV cache are requests times their length; else blocks over groups.
        whole_demand: the poorest stage's cache must hold what one request needs on all stages together.
        expert_workspace: the experts' scratch is one workspace that stays once it is made, not freed by each layer.
        awq_machete: AWQ's linear layers take the first kernel of the mixed-precision list, on Hopper Machete.
        copies_encoded: encoded images are copied into a cache of the largest item while the engine profiles.
        falls_back: `dtype: auto` is float16 on GPUs without bfloat16 (_resolve_auto_dtype); before, they refuse.
        reads_cache_scheme: `kv_cache_dtype: auto` is 8 bits where a ModelOpt checkpoint says so.
        keeps_scales: MXFP4 experts keep the checkpoint's scales beside the kernel's own (mxfp4.py).
        small_batches: GPUs whose default batches are those of small ones in spite of their memory, by a part of
            their names.
        huge_gib: GiB of memory from which `vllm serve` has batches of 16,384 tokens by default; null for none.
        caps_batch: a default `max_num_batched_tokens` is at most `max_num_seqs` times `max_model_len`.
        caps_sequences: a default `max_num_seqs` is at most `max_num_batched_tokens`; before, one below it is refused.
        checks_state_blocks: with CUDA graphs a model with linear-attention states needs a block for each of
            `max_num_seqs`.
        aligned_batches: where states are cached a batch must hold a whole block.
        lora_experts: routed experts have slots for LoRA adapters, too.
        version: the version that was asked for.
    """

    source: tuple[str, ...]
    utilization: float
    capability: tuple[float, float]
    v2_runner: tuple[str, ...] | Literal["all", "none"]
    v2_quantized: bool
    v2_dense: bool
    max_split_mib: int
    graph_estimate: Literal["none", "v1", "all"]
    whole_context: bool
    nccl_counted: bool
    hybrid_groups: bool
    sampler_buffer: bool
    refine_experts: bool
    states_cached: Literal["never", "asked", "always"]
    counts_in_flight: bool
    fused_reduce: bool
    fused_stages: bool
    logs_capacity: bool
    keeps_scales: bool
    whole_demand: bool
    expert_workspace: bool
    awq_machete: bool
    copies_encoded: bool
    falls_back: bool
    reads_cache_scheme: bool
    small_batches: tuple[str, ...]
    huge_gib: int | None
    caps_batch: bool
    caps_sequences: bool
    checks_state_blocks: bool
    aligned_batches: bool
    lora_experts: bool
    version: str = ""

    def second_runner(self, architecture: str, *, quantized: bool, dense: bool) -> bool:
        """Whether the second model runner serves models of this class; `dense`: without experts and states."""
        if quantized and not self.v2_quantized:
            return False
        if isinstance(self.v2_runner, str):
            return self.v2_runner == "all"
        return architecture in self.v2_runner or (dense and self.v2_dense)

    def estimates_graphs(self, architecture: str, *, quantized: bool, dense: bool) -> bool:
        """Whether memory for CUDA graphs is estimated and kept free for models of this class."""
        first = not self.second_runner(architecture, quantized=quantized, dense=dense)
        return self.graph_estimate == "all" or (self.graph_estimate == "v1" and first)


@cache
def vllm_version(version: str) -> EngineVersion:
    """The rules that a vLLM version follows.

    Raises:
        Refusal: `unknown_engine_version` for one older than the oldest known, or no version at all.
    """
    rules = _rules()
    known = {name: _number(name) for name in rules}
    parsed = _number(version)
    earlier = [name for name, number in known.items() if number <= parsed] if parsed else []
    if not earlier:
        first = min(known, key=lambda name: known[name])
        raise Refusal(
            "unknown_engine_version",
            "engine_version",
            f"{version[:40]!r} is no vLLM version the planner knows",
            f"to another from {first} on",
            (Change("engine_version", "0.24.0"),),
        )
    return rules[max(earlier, key=lambda n: known[n])]._replace(version=version.removeprefix("v"))


@cache
def version_for(capability: float) -> str | None:
    """The newest version read whose builds run on a compute capability; None where none does."""
    built = [name for name, rules in _rules().items() if rules.capability[0] <= capability <= rules.capability[1]]
    return built[-1] if built else None


@cache
def _rules() -> dict[str, EngineVersion]:
    """Every entry with what it has from those before it."""
    found: dict[str, EngineVersion] = {}
    merged: dict[str, Any] = {}
    for name, changed in entries("vllm_versions", dict[str, Any]).items():
        merged = {**merged, **changed}
        found[name] = convert(merged, EngineVersion, f"vllm_versions.yaml: {name}")
    return found


def _number(version: str) -> tuple[int, ...]:
    parts = version.removeprefix("v").split("+")[0].split(".")[:3]
    return tuple(int(p) for p in parts) if len(parts) >= 2 and all(p.isascii() and p.isdigit() for p in parts) else ()
