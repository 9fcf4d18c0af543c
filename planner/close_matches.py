"""The known names closest to one that isn't known: what somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def close_matches(name: str, known: Iterable[str], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known names most similar to one, the closest first; empty where none is similar.

    Args:
        name: as it was written.
        known: names to choose from.
        n: at most so many.
        cutoff: least similarity, 0 to 1 (difflib's ratio).
    """
    import difflib  # needed only where something is refused

    return difflib.get_close_matches(name, list(known), n=n, cutoff=cutoff)
