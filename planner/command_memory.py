"""`python -m planner memory`: what an engine started with exactly these arguments will report. A stable call."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from planner.catalog.device import device_of_memory
from planner.catalog.versions import vllm_version
from planner.model.config import find_record, load_config, parse_model
from planner.refusal import Refusal
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.effective_model import effective_model
from planner.vllm.flags import pairs
from planner.vllm.memory import GIB, Memory, memory
from planner.vllm.rules import check_device, check_split


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--config", required=True, type=Path, help="the model's config.json, or its folder")
    parser.add_argument("--gpu-memory-mib", required=True, type=int, help="total memory as nvidia-smi reports it")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--pipeline-parallel-size", type=int, default=1)
    parser.add_argument("--data-parallel-size", type=int, default=1)
    parser.add_argument("--expert-parallel", action="store_true", help="spread routed experts over TP x DP ranks")
    parser.add_argument("--engine", choices=["vllm"], default="vllm")
    parser.add_argument("--engine-version", default="0.24.0")
    parser.add_argument("--compute-capability", type=float, default=None, help="such as 9.0; known GPUs need none")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an engine argument")
    parser.add_argument(
        "--usage",
        choices=["offline", "server"],
        default="offline",
        help="how the engine is started: vllm.LLM (offline, as the published measurements) or vllm serve",
    )
    parser.add_argument("--nvlink-multicast", action="store_true", help="NCCL uses NVLink multicast (NVLS)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> str:
    """Counts and formats.

    Raises:
        Refusal: what was asked can't work.
    """
    given = pairs(options.set) | ({"enable_expert_parallel": "true"} if options.expert_parallel else {})
    config = load_config(options.config) | _overrides(given.pop("hf_overrides", "{}"))
    device = device_of_memory(options.gpu_memory_mib, options.compute_capability)
    version = vllm_version(options.engine_version)
    model = effective_model(parse_model(config, find_record(options.config)), given, device, version)
    arguments = resolve_arguments(model, device, version, given, options.usage)
    split = Split(
        options.tensor_parallel_size,
        options.pipeline_parallel_size,
        arguments.expert_parallel,
        data=options.data_parallel_size,
        redundant=arguments.redundant_experts,
    )
    check_device(model, device, version)
    check_split(model, split, version)
    result = memory(model, split, device, version, arguments, multicast=options.nvlink_multicast)
    if options.json:
        return json.dumps(result.as_dict(), indent=2)
    data = [f"on each of {split.data} data parallel ranks"] if split.data > 1 else []
    return "\n".join([_table(result), *data])


def _overrides(text: str) -> dict[str, Any]:
    """The config's values that `hf_overrides` puts in the place of others."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Refusal("bad_argument", "hf_overrides", f"is {text[:40]!r}", """such as {"num_hidden_layers": 8}""")
    return values


def _table(result: Memory) -> str:
    lines = [f"{'stage':>5} {'layers':>9} {'weights':>9} {'activ.':>8} {'other':>7} {'graphs':>7} {'KV cache':>9}  GiB"]
    for r in result.ranks:
        lines.append(
            f"{r.stage:>5} {f'{r.layers[0]}-{r.layers[1] - 1}':>9} {r.weights / GIB:>9.2f} {r.activations / GIB:>8.2f} "
            f"{r.overhead / GIB:>7.2f} {r.graphs / GIB:>7.2f} {r.kv_cache / GIB:>9.2f}"
        )
    lines.append(
        f"KV cache {result.kv_cache_tokens:,} tokens, {result.max_concurrency:.2f} requests of "
        f"{result.max_model_len:,} tokens at once"
    )
    return "\n".join(lines)
