"""The planner's refusals and remedies in the words of a stack's settings, and as changes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner import PARTITION, Change, Refusal, catalog_model, flag
from stacks import versions
from stacks.setting_names import PATHS, in_settings
from stacks.settings.stack import Settings

DIRECT = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "enable_expert_parallel",
    "max_model_len",
    "concurrency",
    "engine",
    "perMachine",
)
"""Settings that take the planner's own value."""


def stack_changes(refusal: Refusal, settings: Settings) -> dict[str, Any]:
    """Settings by path, and what to set each to; empty where some part of the remedy is no setting's value."""
    found: dict[str, Any] = {}
    words = list(settings.serving.arguments)
    for change in refusal.changes:
        match change.setting:
            case name if name in DIRECT:
                found[PATHS[name]] = change.value
            case "model":
                found["model.id"] = catalog_model(str(change.value)).hub_id
            case "kv_cache_dtype":
                found[PATHS[change.setting]] = change.value
                words = with_flag(words, Change(change.setting, False))
                found |= {"serving.arguments": words} if words != list(settings.serving.arguments) else {}
            case "max_lora_rank" if settings.serving.lora is not None:
                found["serving.lora.maxRank"] = change.value
            case "machines" if settings.cloud is not None:
                found["cloud.machines"] = change.value
            case "engine_version" if settings.runtime == "docker" and settings.serving.engine == "vllm":
                found["images.engine"] = versions.pinned(f"{versions.VLLM_REPOSITORY}:v{change.value}")
            case name if name == PARTITION:
                rest = {name: text for name, text in settings.serving.environment.items() if name != PARTITION}
                found["serving.environment"] = {**rest, PARTITION: str(change.value)} if change.value else rest
            case "machines" | "nodes" | "devices" | "gpu" | "engine_version":
                return {}
            case _:
                words = with_flag(words, change)
                found["serving.arguments"] = words
    return found


def with_flag(words: Sequence[str], change: Change) -> list[str]:
    """An engine's words with one of them set as a remedy says: `--kv-cache-dtype=fp8`, or Ollama's `num_gpu=24`."""
    name = change.setting
    own_flag = name if name == "num_gpu" else flag(name)
    kept, skip = [], False
    for position, word in enumerate(words):
        if skip:
            skip = False
            continue
        own = word.partition("=")[0]
        if own.lstrip("-").replace("-", "_") == name or (name == "gpu_layers" and own in ("-ngl", "--n-gpu-layers")):
            follows = words[position + 1] if position + 1 < len(words) else "-"
            skip = "=" not in word and not follows.startswith("-")
            continue
        kept.append(word)
    if change.value is False:
        return kept
    # llama.cpp takes a value as a word of its own.
    return [*kept, own_flag, str(change.value)] if name == "gpu_layers" else [*kept, f"{own_flag}={change.value}"]


def explain(refusal: Refusal, settings: Settings) -> str:
    """A refusal in the words of a stack's settings."""
    message = settings.secrecy.redacted(in_settings(refusal, rented=settings.cloud is not None))
    return f"this can't work; nothing was created or changed:\n  {message}"
