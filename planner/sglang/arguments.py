"""SGLang's arguments that decide memory, with its defaults by the GPU (srt/arg_groups/memory_hook.py, 0.5.23)."""

import math
import re
from typing import NamedTuple

from planner.catalog.device import Device
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.split import Split

MIB = 2**20

COUNTED = (
    "mem_fraction_static",
    "chunked_prefill_size",
    "max_total_tokens",
    "page_size",
    "disable_cuda_graph",
    "cuda_graph_max_bs",
    "max_running_requests",
)
"""SGLang's own names, beside those that it shares with vLLM."""

TIERS = (
    (20, 2048, 8, 8),
    (35, 4096, 48, 160),
    (60, 4096, 32, 160),
    (160, 8192, 256, 512),
    (math.inf, 16384, 512, 512),
)
"""Below so many GiB of a GPU: tokens of a step of prompts, the largest batch of a graph below TP4, and from there."""

VISION = 0.95 * 1.05
"""Factor of the static share of models that read images: 0.95, and up to 1.05 for small towers, of which this is the
largest (adjust_mem_fraction_for_vlm); towers larger than ViT-L take more off, which isn't counted."""


class PoolArguments(NamedTuple):
    """The arguments in effect.

    Attributes:
        fraction: share of what is free before weights load that they and the tokens' pool take.
        chunked_prefill: tokens of a step of prompts.
        graph_batch: the largest batch that is captured; 0 without graphs.
        running: requests at once.
        most_tokens: a limit of the pool given by hand, in tokens; None without.
        page: tokens of a page.
    """

    fraction: float
    chunked_prefill: int
    graph_batch: int
    running: int
    most_tokens: int | None
    page: int


def pool_arguments(model: Model, split: Split, device: Device, given: dict[str, str]) -> PoolArguments:
    """Fills in what isn't given.

    Args:
        model: the model.
        split: SGLang counts tensor parallelism over all data parallel ranks.
        device: whose memory decides.
        given: SGLang's own arguments by name, of COUNTED.

    Raises:
        Refusal: `bad_argument`.
    """
    total = device.reported / MIB
    _, chunk, small, large = next(tier for tier in TIERS if total < tier[0] * 1024)
    tensor = split.tensor * split.data
    chunk = _whole(given, "chunked_prefill_size", chunk)
    graphs = _flag(given, "disable_cuda_graph") is False
    running = _whole(given, "max_running_requests", 0)
    batch = _whole(given, "cuda_graph_max_bs", small if tensor < 4 else large)
    if running and "cuda_graph_max_bs" not in given:
        batch = min(batch, running)
    reserved = 512 + 1.5 * max(chunk, 2048) + tensor * split.pipeline / 8 * 1024
    if graphs:
        reserved += 2 * batch
        if split.data > 1:
            reserved += batch * split.data * (4.5 if batch > 300 else 3)
        if split.pipeline == 1:  # graphs of prompts are off with stages (apply_cuda_graph_compatibility)
            reserved += 1536 if model.latent is not None else 8 * _prompt_graphs(chunk)
    if total > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    fraction = round((total - reserved) / total, 3)
    if model.vision is not None or model.uncounted_vision:
        fraction *= VISION
    return PoolArguments(
        fraction=_share(given, "mem_fraction_static", fraction),
        chunked_prefill=chunk,
        graph_batch=batch if graphs else 0,
        running=running or 2048,
        most_tokens=_whole(given, "max_total_tokens", 0) or None,
        page=_whole(given, "page_size", 1),
    )


def _prompt_graphs(chunk: int) -> int:
    """How many steps of prompts are captured (generate_prefill_cuda_graph_batch_sizes)."""
    sizes = [*range(4, 33, 4), *range(48, 257, 16), *range(288, 513, 32), *range(576, 1025, 64)]
    sizes += [*range(1280, 4097, 256), *range(4608, chunk + 1, 512)]
    return sum(size <= chunk for size in sizes)


def _whole(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, "").strip()
    if name not in given:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) > 0):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give a whole number of 1 or more")
    return int(text)


def _flag(given: dict[str, str], name: str) -> bool:
    return given.get(name, "false").strip().lower() in ("true", "1", "")


def _share(given: dict[str, str], name: str, default: float) -> float:
    if name not in given:
        return default
    text = given[name].strip()
    value = float(text) if re.fullmatch(r"\d{0,3}(\.\d{1,9})?", text) and text.strip(".") else math.nan
    if not 0 < value < 1:
        raise Refusal(
            "bad_argument",
            name,
            f"is {text[:40]!r}",
            "to another number above 0 and below 1",
            [Change(name, round(default, 3))],
        )
    return value
