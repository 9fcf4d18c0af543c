"""Engine arguments as the command line takes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from planner.engine import Engine
from planner.refusal import Refusal
from planner.sglang.arguments import COUNTED as POOL
from planner.tensorrt_llm.arguments import COUNTED as SERVED
from planner.vllm.arguments import COUNTED


def pairs(texts: list[str]) -> dict[str, str]:
    """KEY=VALUE texts by name, dashes made underscores; the last one of a name counts.

    Values may be JSON: a text in quotes is the text, null is the engine's own default.

    Raises:
        Refusal: `bad_argument` for a text without `=`.
    """
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise Refusal(
                "bad_argument", "--set", f"{text[:60]!r} isn't KEY=VALUE", "such as --set max_model_len=32768"
            )
        found[name.strip().lstrip("-").replace("-", "_")] = _unquoted(value.strip())
    return {name: value for name, value in found.items() if value.lower() not in ("null", "none")}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def counted_flags(engine: Engine) -> tuple[str, ...]:
    """Names of an engine's flags that the planner counts: vLLM's, whose words most engines share, and its own."""
    if engine is Engine.TENSORRT_LLM:
        return SERVED
    return (*COUNTED, *POOL) if engine is Engine.SGLANG else COUNTED


def flag(name: str) -> str:
    """An argument as a word of the engine's command line; `trtllm-serve` takes underscores alone."""
    return f"--{name}" if name in SERVED and name not in COUNTED else f"--{name.replace('_', '-')}"


def from_flags(flags: Sequence[str], names: Collection[str] = COUNTED) -> tuple[dict[str, str], tuple[str, ...]]:
    """An engine's own flags, as `vllm serve` takes them: what the planner counts by name, and the names it doesn't.

    `--name=value`, `--name value`, `--name` and `--no-name` are understood; unlike on the planner's own command line,
    a flag it doesn't know is no mistake: the engine knows more.

    Args:
        flags: the words.
        names: what the planner counts of this engine.
    """
    counted: dict[str, str] = {}
    others: list[str] = []
    name: str | None = None
    for flag in flags:
        if not flag.startswith("--"):
            if name in counted:
                counted[name] = flag
            name = None
            continue
        name, separator, value = flag.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if name.startswith("no_") and name.removeprefix("no_") in names:
            name, value, separator = name.removeprefix("no_"), "false", "="
        if name in names:
            counted[name] = value if separator else "true"
        else:
            others.append(name)
        if separator:
            name = None
    return counted, tuple(others)
