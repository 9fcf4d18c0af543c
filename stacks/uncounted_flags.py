"""Engine flags that change memory in a way the planner doesn't count, so that nobody is refused for them wrongly."""

from __future__ import annotations

from components.serving import EngineName
from planner import Engine, counted_flags, from_flags
from stacks.settings.stack import Settings

LESS = frozenset(
    (
        # vLLM 0.33 (config/offload.py, config/model.py, config/load.py, config/parallel.py, config/kv_transfer.py)
        "offload_backend",
        "offload_group_size",
        "offload_num_in_group",
        "offload_prefetch_step",
        "offload_params",
        "cpu_offload_params",
        "kv_transfer_config",
        "hf_overrides",
        "model_impl",
        "decode_context_parallel_size",
        "prefill_context_parallel_size",
        "kv_cache_dtype_skip_layers",
        "mamba_cache_dtype",
        "mamba_block_size",
        "mamba_cache_mode",
        "kv_sharing_fast_prefill",
        "optimization_level",
        "moe_backend",
        # SGLang 0.5.23 (srt/server_args.py)
        "mem_fraction_static",
        "enable_dp_attention",
        "dp_size",
        "ep_size",
        "expert_parallel_size",
        "page_size",
        "chunked_prefill_size",
        "max_prefill_tokens",
        "max_running_requests",
        "max_total_tokens",
        "max_total_num_tokens",
        "enable_hierarchical_cache",
        "hicache_ratio",
        "hicache_size",
        "disable_cuda_graph",
        "cuda_graph_max_bs",
        "torchao_config",
        "json_model_override_args",
        "swa_full_tokens_ratio",
        "offload_mode",
        "offload_num_in_group",
        # a file of arguments, whose kv_cache_config may say anything: vLLM, and TensorRT-LLM 1.2 (commands/serve.py)
        "config",
        "extra_llm_api_options",
        "enable_dp_lm_head",
        "moe_a2a_backend",
        "moe_dense_tp_size",
        "attn_cp_size",
        "kt_weight_path",
        "kt_num_gpu_experts",
    )
)
"""May leave more room than is counted."""

MORE = frozenset(
    (
        "speculative_model",
        "num_speculative_tokens",
        "speculative_algorithm",
        "speculative_draft_model_path",
        "lora_paths",
        "max_loras_per_batch",
        "ep_num_redundant_experts",
        "mm_encoder_tp_mode",
        "mm_processor_cache_gb",
        "enable_multimodal",
    )
)
"""Bring more into memory than is counted."""

BITSANDBYTES = "bitsandbytes"

OWN_FLAGS: dict[EngineName, Engine] = {"sglang": Engine.SGLANG, "tensorrt-llm": Engine.TENSORRT_LLM}
"""Engines whose flags aren't vLLM's."""


def uncounted(settings: Settings) -> tuple[list[str], list[str]]:
    """The user's flags that may leave more room than is counted, and those that leave less, as they are written."""
    if settings.serving.engine in ("llamacpp", "ollama"):
        return [], []
    engine = OWN_FLAGS.get(settings.serving.engine, Engine.VLLM)
    _, others = from_flags(settings.serving.arguments, counted_flags(engine))
    less = [f"--{name.replace('_', '-')}" for name in others if name in LESS]
    if any(BITSANDBYTES in word.lower() for word in settings.serving.arguments):
        less.append(BITSANDBYTES)
    more = [f"--{name.replace('_', '-')}" for name in others if name.partition(".")[0] in MORE]
    return less, more
