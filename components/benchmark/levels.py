"""How much load is put on an engine: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

Mode = Literal["quick", "full"]


@dataclass(frozen=True)
class Level:
    """Requests of one length, so many at once.

    Attributes:
        streams: requests at once.
        input_tokens: of each prompt, random.
        output_tokens: of each answer; the engine ignores its end-of-sequence token.
        requests: the most that are made; fewer where the engine is too slow for `LEVEL_SECONDS`.
    """

    streams: int
    input_tokens: int
    output_tokens: int
    requests: int

    def __str__(self) -> str:
        """As benchmark.sh reads it."""
        return f"{self.streams}:{self.input_tokens}:{self.output_tokens}:{self.requests}"


STREAMS = {1: 8, 16: 64, 64: 192}
"""Requests by the number of streams: three or more rounds, so that the first and the last one weigh little."""
LENGTHS: dict[Mode, tuple[tuple[int, int], ...]] = {
    "quick": ((1024, 128),),
    "full": ((256, 128), (1024, 128), (4096, 256)),
}
"""Tokens of prompt and answer; 1024 and 128 are the defaults of `vllm bench serve`."""
LEVELS: dict[Mode, tuple[Level, ...]] = {
    mode: tuple(Level(streams, *length, most) for length, (streams, most) in product(lengths, STREAMS.items()))
    for mode, lengths in LENGTHS.items()
}
LEVEL_SECONDS: dict[Mode, int] = {"quick": 45, "full": 120}
"""What a level is meant to take at most; one that takes four times as long is given up."""


def as_words(mode: Mode) -> dict[str, str]:
    """Variables of benchmark.sh that say what is measured."""
    return {"LEVELS": " ".join(map(str, LEVELS[mode])), "LEVEL_SECONDS": str(LEVEL_SECONDS[mode]), "MODE": mode}


def longest(mode: Mode) -> int:
    """Seconds that all of a mode's levels take when each is given up."""
    return len(LEVELS[mode]) * 4 * LEVEL_SECONDS[mode]
