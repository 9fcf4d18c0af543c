"""A key of the engine's own, and what its arguments say that a model is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stacks.schema import Settings

KEYS = ("VLLM_API_KEY", "LLAMA_API_KEY")
TASKS = {
    "--task=embed": "embedding", "--task=embedding": "embedding", "--task=score": "rerank", "--task=transcription":
    "transcription", "--embedding": "embedding", "--embeddings": "embedding", "--is-embedding": "embedding",
    "--reranking": "rerank", "--rerank": "rerank",
}  # fmt: skip
"""Arguments of vLLM, SGLang and llama.cpp that say what a model is used for."""


def refusals(settings: Settings) -> Iterator[str]:
    """A key of the engine's own, which the gateway would have to know too."""
    serving = settings.serving
    told = any(word.partition("=")[0] == "--api-key" for word in serving.arguments)
    if told or any(key in serving.environment for key in KEYS):
        yield (
            "serving.arguments: the gateway asks for the key, and the engine listens on its machine only; take "
            "--api-key (and VLLM_API_KEY or LLAMA_API_KEY in serving.environment) out, and give the key by "
            "`pulumi config set --secret tandem:apiKey`"
        )


def task_of(words: tuple[str, ...]) -> str | None:
    """What the engine is told that the model is for; None where it isn't told."""
    joined = " ".join(words).replace("--task ", "--task=").split()
    return next((TASKS[word] for word in joined if word in TASKS), None)
