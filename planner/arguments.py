"""Engine arguments as the command line takes them."""

from __future__ import annotations

from planner.refusal import Refusal


def pairs(texts: list[str]) -> dict[str, str]:
    """KEY=VALUE texts by name, dashes made underscores; the last one of a name counts.

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
        found[name.strip().lstrip("-").replace("-", "_")] = value.strip()
    return found
