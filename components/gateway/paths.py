"""Which paths of the engine are reachable through the gateway, by the model's task.

Sources: the routes of vLLM's and SGLang's API servers, llama.cpp's server and Ollama. A path that an engine lacks is
answered by the engine with 404. Everything that is not listed here is closed: pause and sleep, LoRA loading, profiles,
`/invocations`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SEGMENT = r"[A-Za-z0-9_~@+][A-Za-z0-9._~@+:=,-]*"
"""One part of a path, as it is sent. It begins with no dot, so neither `.` nor `..` is one."""
MODEL = rf"{SEGMENT}(?:(?:/|%2[Ff]){SEGMENT})*"
"""A model's name, whose slash clients send plain or escaped."""
QUERY = r"(?:\?[^#]*)?"

Group = tuple[tuple[str, ...], tuple[str, ...]]
"""HTTP methods, and the patterns of the paths that they are for."""

MODELS: Group = (("GET", "HEAD"), ("/v1/models", f"/v1/models/{MODEL}"))
TOKENS: Group = (("POST",), ("/tokenize", "/detokenize"))
REALTIME: Group = (("GET",), ("/v1/realtime",))
GENERATION: tuple[Group, ...] = (
    (
        ("POST",),
        (
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/responses",
            f"/v1/responses/{SEGMENT}/cancel",
            "/v1/messages",
            "/v1/messages/count_tokens",
        ),
    ),
    (("GET", "DELETE"), (f"/v1/responses/{SEGMENT}",)),
    REALTIME,
)
POOLING: Group = (
    ("POST",),
    ("/v1/embeddings", "/(?:v1/)?score", "/(?:v1/|v2/)?rerank", "/(?:v1/)?pooling", "/(?:v1/)?classify"),
)
AUDIO: Group = (("POST",), ("/v1/audio/transcriptions", "/v1/audio/translations"))
BY_TASK: dict[str, tuple[Group, ...]] = {
    "chat": GENERATION,
    "completion": GENERATION,
    "embedding": (POOLING,),
    "rerank": (POOLING,),
    "transcription": (AUDIO, REALTIME, *GENERATION[:1]),
}


def allowed(task: str, more: Sequence[str] = ()) -> dict[tuple[str, ...], str]:
    """Methods, and one regular expression of the request targets they may have.

    Args:
        task: what the model is for, see components/serving/files/inference_probe.py.
        more: paths of the engine that the settings open, to the letter; with any method.

    Returns:
        Patterns for the whole request target as it is sent: path and query, nothing decoded.
    """
    found: dict[tuple[str, ...], str] = {}
    for methods, patterns in (MODELS, TOKENS, *BY_TASK.get(task, GENERATION)):
        found[methods] = "|".join([*([found[methods]] if methods in found else []), *patterns])
    if more:
        found[()] = "|".join(re.escape(path) for path in more)
    return {methods: f"^(?:{patterns}){QUERY}$" for methods, patterns in found.items()}
