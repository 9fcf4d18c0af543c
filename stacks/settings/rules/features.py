"""Speculative decoding, adapters, KV cache type, prefix caching, chunked prefill: engine, arguments and model."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.settings.engine_words import WORDS, engine_words
from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings

FEATURES = {
    "speculative": "speculative",
    "lora": "lora",
    "kv_cache_dtype": "kvCacheDtype",
    "prefix_caching": "prefixCaching",
    "chunked_prefill": "chunkedPrefill",
}
"""Fields of `serving`, and their names as settings."""


def feature_mistakes(settings: Settings) -> Iterator[Mistake]:
    """An engine that hasn't the setting, an argument that says the same, a repository that isn't listed."""
    serving = settings.serving
    given = [name for field, name in FEATURES.items() if getattr(serving, field) is not None]
    if serving.engine not in WORDS:
        for name in given:
            yield Mistake(
                f"serving.{name}: is for {', '.join(WORDS)}, and serving.engine is {serving.engine}; take it out, and "
                "give what that engine has of it in serving.arguments",
                {f"serving.{name}": None},
            )
        return
    own = {_plain(word) for word in engine_words(settings)[: -len(serving.arguments) or None] if word.startswith("--")}
    words = serving.arguments
    for position, word in enumerate(words):
        if word.startswith("--") and _plain(word) in own:
            after = position + 1
            taken = 2 if "=" not in word and words[after:] and not words[after].startswith("-") else 1
            rest = [*words[:position], *words[position + taken :]]
            yield Mistake(
                f"serving.arguments: {word[:60]}: {' or '.join(f'serving.{name}' for name in given)} says it already; "
                "take it out",
                {"serving.arguments": rest},
            )
    listed = {name for each in settings.model.more for name in (each.id, each.word)}
    named: dict[str, str | None] = (
        {"serving.speculative.model": serving.speculative.model} if serving.speculative else {}
    )
    named |= {f"serving.lora.adapters.{k}": v for k, v in (serving.lora.adapters if serving.lora else {}).items()}
    for path, model in named.items():
        if model is not None and model not in listed:
            yield Mistake(f"{path}: {model} isn't listed in model.more; list it there, with source and id")


def _plain(word: str) -> str:
    """An argument's name, without value, `no-` and underscores."""
    name = word.partition("=")[0].removeprefix("--").replace("_", "-")
    return name.removeprefix("no-")
