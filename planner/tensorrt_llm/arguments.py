"""TensorRT-LLM's arguments that decide memory, with its own defaults.

Source: TensorRT-LLM 1.2, tensorrt_llm/commands/serve.py (names and defaults of `trtllm-serve`) and
tensorrt_llm/llmapi/llm_args.py (KvCacheConfig, CudaGraphConfig).
"""

import math
import re
from typing import NamedTuple

from planner.close_matches import close_matches
from planner.model.shapes import Model
from planner.refusal import Change, Refusal
from planner.split import Split

SHARE = "kv_cache_free_gpu_memory_fraction"

ALIASES = {
    "free_gpu_memory_fraction": SHARE,
    "moe_expert_parallel_size": "ep_size",
    "max_model_len": "max_seq_len",
}
"""Other names of the same; `max_model_len` is what a request calls it, whatever the engine."""

COUNTED = (
    SHARE,
    "max_batch_size",
    "max_num_tokens",
    "max_seq_len",
    "tokens_per_block",
    "max_tokens",
    "max_gpu_total_bytes",
    "kv_cache_dtype",
    "ep_size",
    "enable_attention_dp",
    "free_gpu_memory_fraction",
    "moe_expert_parallel_size",
)
"""Names that are counted: flags of `trtllm-serve`, and fields of its YAML file's `kv_cache_config`."""

CACHE_BYTES = {"auto": 0, "float16": 2, "bfloat16": 2, "fp8": 1}
"""Bytes of a KV element; 0: as the checkpoint says (_torch/pyexecutor/model_loader.py)."""

GRAPHS = (1, 2, 4, *range(8, 129, 8))
"""Batches that are captured without a cuda_graph_config (CudaGraphConfig._generate_cuda_graph_batch_sizes)."""


class ServeArguments(NamedTuple):
    """The arguments in effect.

    Attributes:
        share: of what is free once all else is there, which the KV cache takes.
        requests: of one step (`max_batch_size`).
        tokens: of one step (`max_num_tokens`).
        length: of a request, prompt and answer, in tokens (`max_seq_len`).
        block: tokens of a KV block.
        most_tokens: a limit of the KV cache by hand, in tokens; None without.
        most_bytes: the same in bytes.
        kv_bytes: bytes of a KV element.
        experts: ranks that routed experts are spread over; 1: each is cut.
        attention_ranks: every rank has attention and KV cache of its own (attention data parallelism).
    """

    share: float
    requests: int
    tokens: int
    length: int
    block: int
    most_tokens: int | None
    most_bytes: int | None
    kv_bytes: int
    experts: int
    attention_ranks: bool


def serve_arguments(model: Model, split: Split, given: dict[str, str]) -> ServeArguments:
    """Fills in what isn't given.

    Args:
        model: the model, whose longest context is the default (`ModelLoader` infers it).
        split: the sizes of `--tp_size` and `--pp_size`.
        given: arguments by name, as text, with underscores.

    Raises:
        Refusal: `unknown_argument` or `bad_argument`.
    """
    values = {}
    for name, text in given.items():
        if name not in COUNTED and name not in ALIASES and name != "enable_expert_parallel":
            near = close_matches(name, COUNTED, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"arguments that change memory: {', '.join(COUNTED)}"
            raise Refusal(
                "unknown_argument",
                name[:60] or "arguments",
                "is no argument of TensorRT-LLM's that the planner can count",
                remedy,
            )
        values[ALIASES.get(name, name)] = text.strip()
    cache = values.get("kv_cache_dtype", "auto")
    if cache not in CACHE_BYTES:
        raise Refusal("bad_argument", "kv_cache_dtype", f"is {cache[:40]!r}", f"one of {', '.join(CACHE_BYTES)}")
    own = 1 if model.quantization.cache_in_fp8 else model.dtype_bytes
    spread = split.tensor if _flag(values, "enable_expert_parallel") else 1
    experts = _whole(values, "ep_size") or spread
    if split.tensor % experts:
        raise Refusal(
            "bad_argument",
            "ep_size",
            f"is {experts}, and doesn't divide the {split.tensor} ranks that share a layer",
            changes=[Change("ep_size", math.gcd(experts, split.tensor))],
        )
    return ServeArguments(
        share=_share(values),
        requests=_whole(values, "max_batch_size") or 2048,
        tokens=_whole(values, "max_num_tokens") or 8192,
        length=_whole(values, "max_seq_len") or model.positions,
        block=_whole(values, "tokens_per_block") or 32,
        most_tokens=_whole(values, "max_tokens"),
        most_bytes=_whole(values, "max_gpu_total_bytes"),
        kv_bytes=CACHE_BYTES[cache] or own,
        experts=experts,
        attention_ranks=_flag(values, "enable_attention_dp"),
    )


def _whole(values: dict[str, str], name: str) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 14 and int(text) > 0):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give a whole number of 1 or more")
    return int(text)


def _flag(values: dict[str, str], name: str) -> bool:
    text = values.get(name, "false").lower()
    if text not in ("true", "false", "1", "0", ""):
        raise Refusal("bad_argument", name, f"is {text[:40]!r}", "give true or false")
    return text in ("true", "1", "")


def _share(values: dict[str, str]) -> float:
    text = values.get(SHARE, "0.9")
    value = float(text) if re.fullmatch(r"\d{0,3}(\.\d{1,18})?", text) and text.strip(".") else math.nan
    if not 0 < value < 1:
        raise Refusal(
            "bad_argument", SHARE, f"is {text[:40]!r}", "to another number above 0 and below 1", [Change(SHARE, 0.9)]
        )
    return value
