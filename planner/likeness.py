"""What somebody may have meant by a name that isn't known."""

from __future__ import annotations

from collections.abc import Iterable


def likest(name: str, known: Iterable[str], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known names that are most like one, the likest first; empty where none is like it.

    Args:
        name: as it was written.
        known: names to choose from.
        n: at most so many.
        cutoff: least likeness, 0 to 1 (difflib's ratio).
    """
    import difflib  # needed only where something is refused

    return difflib.get_close_matches(name, list(known), n=n, cutoff=cutoff)
