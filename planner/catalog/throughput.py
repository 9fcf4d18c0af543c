"""Tokens a second that engines were measured at (`data/throughput.yaml`)."""

from datetime import date
from typing import NamedTuple

from planner.catalog.table import entries


class Row(NamedTuple):
    """One load.

    Attributes:
        streams: requests at once.
        prompt: tokens of each prompt.
        context: tokens of each request in the KV cache, the mean of those timed.
        prefill: prompt tokens/s, all streams together.
        decode: answers' tokens/s, all streams together.
    """

    streams: int
    prompt: int
    context: int
    prefill: float
    decode: float


class Measured(NamedTuple):
    """One model on one machine.

    Attributes:
        gpu: the accelerator, as the catalog names it.
        engine: vLLM.
        version: of it.
        model: as the catalog names it.
        tensor_parallel_size: accelerators.
        rows: its loads.
        source: who measured, and how.
        date: when.
        weights_gib: GiB of weights a GPU, as the engine logged them; 0 where it isn't known.
        kv_cache_tokens: as the engine logged them; 0 where it isn't known.
    """

    gpu: str
    engine: str
    version: str
    model: str
    rows: tuple[Row, ...]
    source: str
    date: date
    tensor_parallel_size: int = 1
    weights_gib: float = 0.0
    kv_cache_tokens: int = 0


def measurements() -> tuple[Measured, ...]:
    """Every one of the catalog."""
    return tuple(entries("throughput", Measured).values())
