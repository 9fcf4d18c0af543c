"""The engine's arguments: what typed settings say in its own words, then `serving.arguments`.

Source: vllm 0.33.0 (engine/arg_utils.py, config/speculative.py) and SGLang 0.5.23 (srt/server_args.py,
srt/arg_groups/speculative_hook.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from components.serving import EngineName
from stacks.settings.stack import Settings

SGLANG_METHODS = {"mtp": "NEXTN", "eagle": "EAGLE", "eagle3": "EAGLE3", "draft": "STANDALONE", "ngram": "NGRAM"}
SGLANG_CACHE = {"bfloat16": "bf16", "fp8": "fp8_e4m3"}


def engine_words(settings: Settings) -> tuple[str, ...]:
    """Every argument of the engine that settings give; ids of model.more stand for their folders."""
    words = WORDS.get(settings.serving.engine)
    return (*(words(settings) if words else ()), *settings.serving.arguments)


def listed(settings: Settings, name: str) -> str:
    """The id of a repository in model.more, by its id or its name; the name itself where none is listed."""
    return next((each.id for each in settings.model.more if name in (each.id, each.word)), name)


def vllm_words(settings: Settings) -> tuple[str, ...]:
    """Typed settings as vLLM takes them, by whose names the planner counts all engines."""
    serving, words = settings.serving, []
    if (speculative := serving.speculative) is not None:
        method = {"draft": "draft_model"}.get(speculative.method, speculative.method)
        model = {"model": listed(settings, speculative.model)} if speculative.model else {}
        config = {"method": method, **model, "num_speculative_tokens": speculative.tokens}
        words.append(f"--speculative-config={json.dumps(config)}")
    if (lora := serving.lora) is not None:
        words += ["--enable-lora", f"--max-loras={lora.max_loras}", f"--max-lora-rank={lora.max_rank}"]
        adapters = [f"{name}={listed(settings, adapter)}" for name, adapter in lora.adapters.items()]
        words += ["--lora-modules", *adapters] if adapters else []
    if serving.kv_cache_dtype is not None:
        words.append(f"--kv-cache-dtype={serving.kv_cache_dtype}")
    if serving.prefix_caching is not None:
        words.append("--enable-prefix-caching" if serving.prefix_caching else "--no-enable-prefix-caching")
    if serving.chunked_prefill is not None:
        words.append("--enable-chunked-prefill" if serving.chunked_prefill else "--no-enable-chunked-prefill")
    return tuple(words)


def _sglang_words(settings: Settings) -> tuple[str, ...]:
    serving, words = settings.serving, []
    if (speculative := serving.speculative) is not None:
        words.append(f"--speculative-algorithm={SGLANG_METHODS[speculative.method]}")
        if speculative.model:
            words.append(f"--speculative-draft-model-path={listed(settings, speculative.model)}")
        if speculative.method != "ngram":
            words += [f"--speculative-num-steps={speculative.tokens}", "--speculative-eagle-topk=1"]
        words.append(f"--speculative-num-draft-tokens={speculative.tokens + 1}")
    if (lora := serving.lora) is not None:
        words += ["--enable-lora", f"--max-loras-per-batch={lora.max_loras}", f"--max-lora-rank={lora.max_rank}"]
        adapters = [f"{name}={listed(settings, adapter)}" for name, adapter in lora.adapters.items()]
        words += ["--lora-paths", *adapters] if adapters else []
    if (dtype := serving.kv_cache_dtype) is not None:
        words.append(f"--kv-cache-dtype={SGLANG_CACHE.get(dtype, dtype)}")
    if serving.prefix_caching is False:
        words.append("--disable-radix-cache")
    if serving.chunked_prefill is False:
        words.append("--chunked-prefill-size=-1")
    return tuple(words)


WORDS: dict[EngineName, Callable[[Settings], tuple[str, ...]]] = {
    "vllm": vllm_words,
    "vllm-ascend": vllm_words,
    "sglang": _sglang_words,
}
"""Engines that have these settings."""
