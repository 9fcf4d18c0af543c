"""The engine's arguments: defaults as the engine itself sets them."""

import json
import math
import re
from functools import lru_cache
from typing import Literal, NamedTuple

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.close_matches import close_matches
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.vllm.lora import Lora
from planner.vllm.speculative import Speculative, parse_speculative

Usage = Literal["offline", "server"]
"""offline: `vllm.LLM(...)`; server: `vllm serve`. They differ in max_num_batched_tokens' default."""


class EngineArguments(NamedTuple):
    """The arguments that decide memory, each with its value in effect.

    Attributes:
        max_model_len: tokens of a request, prompt and answer.
        fit_model_len: `max_model_len` is to be made as long as fits.
        enforce_eager: nothing is compiled and no CUDA graphs are captured.
        kv_bytes: bytes of one KV element.
        block_size: tokens of a KV block.
        utilization: share of a device's memory that the engine reserves, above 0 to 1.
        max_num_batched_tokens: tokens of one step.
        max_num_seqs: requests of one step.
        kv_cache_memory: bytes given by hand, which skips the estimate.
        blocks_override: KV blocks given by hand.
        hybrid_groups: layers of different kinds share one pool of blocks by groups.
        graph_sizes: the batch sizes that are captured, in tokens; none when eager.
        expert_parallel: routed experts are spread over ranks whole.
        redundant_experts: copies of experts beside the model's own; None without EPLB.
        state_blocks: blocks of a linear-attention state that a request holds.
        ahead: batches in flight beside one for each stage, 1 with asynchronous scheduling; None where the engine
            counts a single batch.
        towers: whether encoders of images and the like are loaded.
        reads_images: the profiling run encodes the largest image or video.
        reads_videos: videos are let through.
        cpu_offload: bytes of each accelerator's layers that stay in the machine's own memory.
        speculative: who proposes tokens; None without speculative decoding.
        lora: slots for adapters; None without.
        kv_offload: bytes of all ranks' KV cache that go to the machine's own memory (`kv_offloading_size`).
        pretends_context: the profiling run has the longest context that MLA may have to up-project, not its batch's.
        dequantizes: `quantization=awq` asks for AWQ's first kernel, which makes 16-bit weights of a layer for 256
            tokens and more (AWQLinearMethod.apply, FP16_MATMUL_HEURISTIC_CONDITION); else the engine takes Marlin's.
    """

    max_model_len: int
    fit_model_len: bool
    enforce_eager: bool
    kv_bytes: int
    block_size: int
    utilization: float
    max_num_batched_tokens: int
    max_num_seqs: int
    kv_cache_memory: int | None
    blocks_override: int | None
    hybrid_groups: bool
    graph_sizes: tuple[int, ...]
    expert_parallel: bool
    state_blocks: int
    ahead: int | None
    towers: bool
    reads_images: bool = True
    reads_videos: bool = True
    cpu_offload: int = 0
    speculative: Speculative | None = None
    lora: Lora | None = None
    kv_offload: int = 0
    dequantizes: bool = False
    redundant_experts: int | None = None
    pretends_context: bool = True


NEUTRAL = frozenset(
    (
        "additional_config",
        "aggregate_engine_logging",
        "allowed_local_media_path",
        "api_key",
        "attention_backend",
        "calculate_kv_scales",
        "chat_template",
        "code_revision",
        "collect_detailed_traces",
        "config_format",
        "convert",
        "cpu_distributed_timeout_seconds",
        "cudagraph_metrics",
        "data_parallel_size",
        "disable_cascade_attn",
        "disable_chunked_mm_input",
        "disable_custom_all_reduce",
        "disable_log_requests",
        "disable_log_stats",
        "distributed_executor_backend",
        "distributed_timeout_seconds",
        "download_dir",
        "enable_auto_tool_choice",
        "enable_log_requests",
        "enable_mfu_metrics",
        "fail_on_environ_validation",
        "generation_config",
        "headless",
        "hf_config_path",
        "hf_token",
        "host",
        "ignore_patterns",
        "jit_monitor_verbose",
        "kv_cache_metrics",
        "load_format",
        "logprobs_mode",
        "long_prefill_token_threshold",
        "master_addr",
        "master_port",
        "max_logprobs",
        "max_long_partial_prefills",
        "max_num_partial_prefills",
        "max_parallel_loading_workers",
        "model",
        "model_loader_extra_config",
        "nnodes",
        "node_rank",
        "numa_bind",
        "numa_bind_cpus",
        "numa_bind_nodes",
        "otlp_traces_endpoint",
        "override_generation_config",
        "pipeline_parallel_size",
        "port",
        "prefill_schedule_interval",
        "prefix_caching_hash_algo",
        "profiler_config",
        "pt_load_map_location",
        "ray_workers_use_nsight",
        "reasoning_parser",
        "reasoning_parser_plugin",
        "revision",
        "runner",
        "safetensors_load_strategy",
        "safetensors_prefetch_block_size",
        "safetensors_prefetch_num_threads",
        "scheduler_cls",
        "scheduler_reserve_full_isl",
        "scheduling_policy",
        "seed",
        "served_model_name",
        "shutdown_timeout",
        "skip_tokenizer_init",
        "stream_interval",
        "structured_outputs_config",
        "swap_space",
        "lora_dtype",
        "lora_extra_vocab_size",
        "lora_modules",
        "max_cpu_loras",
        "kv_offloading_backend",
        "tensor_parallel_size",
        "tokenizer",
        "tokenizer_mode",
        "tokenizer_revision",
        "tokens_only",
        "tool_call_parser",
        "trust_remote_code",
        "use_tqdm_on_load",
        "uvicorn_log_level",
        "watermark",
    )
)
"""Arguments that change no memory that the planner counts, or that have an option of their own."""

COUNTED = (
    "max_model_len",
    "enforce_eager",
    "kv_cache_dtype",
    "block_size",
    "gpu_memory_utilization",
    "max_num_batched_tokens",
    "max_num_seqs",
    "enable_chunked_prefill",
    "kv_cache_memory_bytes",
    "num_gpu_blocks_override",
    "disable_hybrid_kv_cache_manager",
    "enable_expert_parallel",
    "enable_prefix_caching",
    "dtype",
    "quantization",
    "max_cudagraph_capture_size",
    "cudagraph_capture_sizes",
    "compilation_config",
    "async_scheduling",
    "language_model_only",
    "limit_mm_per_prompt",
    "skip_mm_profiling",
    "cpu_offload_gb",
    "speculative_config",
    "enable_lora",
    "max_loras",
    "max_lora_rank",
    "fully_sharded_loras",
    "kv_offloading_size",
    "performance_mode",
    "mamba_ssm_cache_dtype",
    "enable_eplb",
    "eplb_config",
    "num_redundant_experts",
)

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM takes (MaxLoRARanks in config/lora.py)."""

DEQUANTIZED = 256
"""Tokens from which AWQ's first kernel makes 16-bit weights."""

KV_DTYPES = {
    "auto": 0,
    "bfloat16": 2,
    "bf16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "fp8_inc": 1,
    "int8": 1,
}
"""Bytes of a KV element; 0: the model's own type."""


def resolve_arguments(
    model: Model, device: Device, version: EngineVersion, given: dict[str, str], usage: Usage = "server"
) -> EngineArguments:
    """Fills in the defaults as the engine does (`arg_utils.py` get_batch_defaults, `config/vllm.py`).

    Args:
        model: the model.
        device: the accelerator; its memory decides the batch defaults.
        version: the engine's version.
        given: arguments by name, as text, dashes or underscores.
        usage: how the engine is started.

    Raises:
        Refusal: `unknown_argument` or `bad_argument`.
    """
    return _resolved(model, device, version, tuple(given.items()), usage)


@lru_cache(maxsize=1024)
def _resolved(
    model: Model, device: Device, version: EngineVersion, given: tuple[tuple[str, str], ...], usage: Usage
) -> EngineArguments:
    values = {name.replace("-", "_").lstrip("_"): text for name, text in given}
    for name in values:
        if name not in COUNTED and name not in NEUTRAL:
            near = close_matches(name, [*COUNTED, *NEUTRAL], n=1)
            remedy = f"did you mean {near[0]}?" if near else f"arguments that change memory: {', '.join(COUNTED)}"
            raise Refusal(
                "unknown_argument", name[:60] or "arguments", "is no engine argument the planner can count", remedy
            )
    length, fit = _model_len(model, values)
    speculative = parse_speculative(values["speculative_config"], model) if "speculative_config" in values else None
    given_sequences = _whole(values, "max_num_seqs")
    sequences, batched = _batches(device, version, usage, given_sequences)
    if _choice(values, "performance_mode", ("balanced", "interactivity", "throughput")) == "throughput":
        batched, sequences = 2 * batched, given_sequences or 2 * sequences
    given_batched = _whole(values, "max_num_batched_tokens")
    if given_batched is None:
        if not _flag(values, "enable_chunked_prefill", default="true"):
            batched = max(batched, length)
        if version.caps_batch:
            batched = min(batched, sequences * length)
    else:
        batched = given_batched
    if given_sequences is None and version.caps_sequences:
        sequences = min(sequences, batched)
    if batched < sequences:
        raise Refusal(
            "bad_argument",
            "max_num_batched_tokens",
            f"is {batched}, below max_num_seqs {sequences}",
            changes=[Change("max_num_batched_tokens", sequences)],
        )
    kv_name = values.get("kv_cache_dtype", "auto")
    if kv_name not in KV_DTYPES:
        raise Refusal("bad_argument", "kv_cache_dtype", f"is {kv_name[:40]!r}", f"one of {', '.join(KV_DTYPES)}")
    by_checkpoint = 1 if version.reads_cache_scheme and model.quantization.cache_in_fp8 else model.dtype_bytes
    kv_bytes = KV_DTYPES[kv_name] or by_checkpoint
    eager = _flag(values, "enforce_eager")
    sizes = () if eager else _graph_sizes(model, values, sequences, batched)
    modalities = _modalities(values)
    return EngineArguments(
        max_model_len=length,
        fit_model_len=fit,
        enforce_eager=eager,
        kv_bytes=kv_bytes,
        block_size=_whole(values, "block_size") or _block_size(model, kv_bytes),
        utilization=_fraction(values, "gpu_memory_utilization", version.utilization),
        max_num_batched_tokens=batched,
        max_num_seqs=sequences,
        kv_cache_memory=_whole(values, "kv_cache_memory_bytes"),
        blocks_override=_whole(values, "num_gpu_blocks_override"),
        hybrid_groups=version.hybrid_groups and not _flag(values, "disable_hybrid_kv_cache_manager"),
        graph_sizes=sizes,
        expert_parallel=_flag(values, "enable_expert_parallel"),
        redundant_experts=_redundant(values),
        ahead=int(_flag(values, "async_scheduling", default="true")) if version.counts_in_flight else None,
        towers=not _flag(values, "language_model_only") and any(modalities.values()),
        reads_images=not _flag(values, "skip_mm_profiling"),
        reads_videos=modalities["video"],
        cpu_offload=_gibibytes(values, "cpu_offload_gb"),
        kv_offload=_gibibytes(values, "kv_offloading_size"),
        speculative=speculative,
        lora=_lora(values, version),
        dequantizes=values.get("quantization") == "awq" and batched >= DEQUANTIZED,
        state_blocks=(2 if _caches_states(values, version) else 1) + (speculative.tokens if speculative else 0),
    )


def _batches(device: Device, version: EngineVersion, usage: Usage, sequences: int | None) -> tuple[int, int]:
    """`max_num_seqs` and `max_num_batched_tokens` by default (get_batch_defaults)."""
    large = device.total >= 70 * 2**30 and not any(name in device.name.lower() for name in version.small_batches)
    batched = {("offline", True): 16384, ("server", True): 8192, ("offline", False): 8192, ("server", False): 2048}
    tokens = batched[(usage, large)]
    if version.huge_gib is not None and device.total >= version.huge_gib * 2**30:
        tokens = 16384
    return sequences or (1024 if large else 256), tokens


def _lora(values: dict[str, str], version: EngineVersion) -> Lora | None:
    if not _flag(values, "enable_lora"):
        return None
    slots, rank = _whole(values, "max_loras") or 1, _whole(values, "max_lora_rank") or 16
    if rank not in LORA_RANKS:
        nearest = min(LORA_RANKS, key=lambda known: abs(known - rank))
        raise Refusal(
            "bad_argument",
            "max_lora_rank",
            f"is {rank}, none of {', '.join(map(str, LORA_RANKS))}",
            changes=[Change("max_lora_rank", nearest)],
        )
    return Lora(slots, rank, _flag(values, "fully_sharded_loras"), version.lora_experts)


def _choice(values: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    text = values.get(name, allowed[0]).strip().lower()
    if text not in allowed:
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", f"one of {', '.join(allowed)}")
    return text


def _caches_states(values: dict[str, str], version: EngineVersion) -> bool:
    enabled = _flag(values, "enable_prefix_caching", default=str(version.states_cached == "always"))
    return enabled and version.states_cached != "never"


def _redundant(values: dict[str, str]) -> int | None:
    """Copies of experts beside the model's own (EPLBConfig in config/parallel.py); None without EPLB."""
    if not _flag(values, "enable_eplb"):
        return None
    try:
        config = json.loads(values.get("eplb_config", "{}"))
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise Refusal("bad_argument", "eplb_config", "is no JSON object", """such as {"num_redundant_experts": 32}""")
    found = str(config.get("num_redundant_experts", values.get("num_redundant_experts", "0")))
    return 0 if found == "0" else _whole({"num_redundant_experts": found}, "num_redundant_experts")


def _modalities(values: dict[str, str]) -> dict[str, bool]:
    """Whether requests may have images and videos; without both, towers are left out (_mark_tower_model)."""
    try:
        limits = json.loads(values.get("limit_mm_per_prompt", "{}"))
    except (ValueError, RecursionError):
        limits = None
    if not isinstance(limits, dict):
        raise Refusal(
            "bad_argument", "limit_mm_per_prompt", "is no JSON object", """such as {"image": 0, "video": 0}"""
        )
    return {modality: limits.get(modality, 1) != 0 for modality in ("image", "video")}


def _graph_sizes(model: Model, values: dict[str, str], sequences: int, batched: int) -> tuple[int, ...]:
    """The batch sizes that are captured (`_set_cudagraph_sizes`): 1, 2, 4, by 8 below 256, by 16 from there."""
    config: object = {}
    if "compilation_config" in values:
        try:
            config = json.loads(values["compilation_config"])
        except (ValueError, RecursionError):
            config = None
    if not isinstance(config, dict):
        raise Refusal(
            "bad_argument", "compilation_config", "is no JSON object", """such as {"cudagraph_mode": "NONE"}"""
        )
    if str(config.get("cudagraph_mode", "")).upper() == "NONE":
        return ()
    listed = config.get("cudagraph_capture_sizes", values.get("cudagraph_capture_sizes"))
    if listed is not None:
        found = [int(n) for n in re.findall(r"\d{1,9}", str(listed))]
        return tuple(sorted({n for n in found if 0 < n <= batched}))
    # gpt-oss asks for more than other models (GptOssForCausalLMConfig in models/config.py).
    usual = 1024 if model.architecture == "GptOssForCausalLM" else min(sequences * 2, 512)
    largest = min(_whole(values, "max_cudagraph_capture_size") or usual, batched)
    small = [size for size in (1, 2, 4) if size <= largest]
    sizes = {*small, *range(8, min(largest + 1, 256), 8), *range(256, largest + 1, 16)}
    return tuple(sorted(sizes | ({batched} if batched <= largest else set())))


def _block_size(model: Model, kv_bytes: int) -> int:
    """FlashMLA, which serves 8-bit MLA caches, takes blocks of 64 only; all else starts from 16."""
    return 64 if model.latent is not None and kv_bytes == 1 else 16


def _model_len(model: Model, values: dict[str, str]) -> tuple[int, bool]:
    longest = max(model.positions, model.rope_positions)
    text = values.get("max_model_len")
    if text is None:
        return longest, False
    if text.strip().lower() in ("auto", "-1"):
        return longest, True
    factor = {"k": 1000, "K": 1024}.get(text[-1:], 1)
    length = factor * (_whole({"max_model_len": text[:-1] if factor > 1 else text}, "max_model_len") or 1)
    if length > longest:
        raise Refusal(
            "context_too_long",
            "max_model_len",
            f"is {length}, but the model was made for {longest} tokens",
            changes=[Change("max_model_len", longest)],
        )
    return length, False


def _whole(values: dict[str, str], name: str) -> int | None:
    if name not in values:
        return None
    text = values[name].strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give a whole number of 1 or more")
    return int(text)


def _gibibytes(values: dict[str, str], name: str) -> int:
    text = values.get(name, "0").strip()
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give GiB of 0 or more, such as 10")
    return int(float(text) * 2**30)


def _flag(values: dict[str, str], name: str, default: str = "false") -> bool:
    text = values.get(name, default).strip().lower()
    if text not in ("true", "false", "1", "0", ""):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give true or false")
    return text in ("true", "1", "")


def _fraction(values: dict[str, str], name: str, default: float) -> float:
    if name not in values:
        return default
    try:
        value = float(values[name])
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise Refusal(
            "bad_argument",
            name,
            f"is {values[name][:40]!r}",
            "to another number above 0, at most 1",
            [Change(name, default)],
        )
    return value
