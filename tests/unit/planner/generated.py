"""Bad settings and configs, made from a seed: wrong types, negative, huge, NaN, cut JSON, cyclic YAML, no names."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from planner import Engine, PlanRequest, Refusal, Start, find_model, owned, plan, rented
from planner.catalog.device import device_of_memory
from planner.catalog.models import model_config, models
from planner.catalog.versions import vllm_version
from planner.model.config import load_config, parse_model
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import memory
from planner.vllm.rules import check_device, check_split

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    7,
    2**31,
    2**63,
    10**30,
    -(10**30),
    0.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    "",
    "abc",
    "1e9",
    "\0",
    "0x10",
    "-5",
    "\uff11\uff12",
    "a" * 5000,
    [],
    [None],
    [[1]],
    {},
    {"a": {}},
    ["full_attention"],
)
ARGUMENTS = (
    "max_model_len",
    "gpu_memory_utilization",
    "max_num_seqs",
    "max_num_batched_tokens",
    "kv_cache_dtype",
    "block_size",
    "enforce_eager",
    "dtype",
    "max_model_length",
    "enable_expert_parallel",
    "kv_cache_memory_bytes",
    "--seed",
    "",
    "speculative_config",
    "enable_lora",
    "max_loras",
    "max_lora_rank",
    "kv_offloading_size",
    "performance_mode",
    "mamba_ssm_cache_dtype",
)


def outcome(rng: random.Random, folder: Path) -> Refusal | None:
    """Plans one bad request; the refusal, or None when the request happened to be a good one.

    Anything but a Refusal that comes out of the planner passes through: that is what is looked for.
    """
    kinds = (_bad_config, _bad_file, _bad_request, _bad_arguments)
    try:
        rng.choice(kinds)(rng, folder)
    except Refusal as refusal:
        return refusal
    return None


def outcomes(seed: int, count: int, folder: Path) -> Iterator[Refusal]:
    """The refusals among `count` generated requests."""
    rng = random.Random(seed)  # noqa: S311  # generated inputs, not secrets
    for _ in range(count):
        refusal = outcome(rng, folder)
        if refusal is not None:
            yield refusal


def _mutated(rng: random.Random) -> dict[str, Any]:
    config = dict(model_config(rng.choice(tuple(models()))))
    for _ in range(rng.randint(1, 3)):
        key = rng.choice(
            [*config, "sliding_window", "layer_types", "quantization_config", "text_config", "rope_scaling"]
        )
        if rng.random() < 0.2:
            config.pop(key, None)
        elif rng.random() < 0.3 and isinstance(config.get(key), dict):
            inner = dict(config[key])
            inner[rng.choice([*inner, "factor", "quant_method"])] = rng.choice(VALUES)
            config[key] = inner
        else:
            config[key] = rng.choice(VALUES)
    return config


def _count(config: dict[str, Any], rng: random.Random) -> None:
    model, device, version = parse_model(config), device_of_memory(81559), vllm_version("0.24.0")
    arguments = resolve_arguments(model, device, version, {"max_model_len": "4096"})
    split = Split(rng.choice((1, 2, 8)), rng.choice((1, 2)))
    check_device(model, device, version)
    check_split(model, split, version)
    memory(model, split, device, version, arguments)


def _bad_config(rng: random.Random, folder: Path) -> None:
    _count(_mutated(rng), rng)


def _bad_file(rng: random.Random, folder: Path) -> None:
    file = folder / "config.json"
    text = json.dumps(_mutated(rng))
    match rng.randint(0, 5):
        case 0:
            file.write_text(text[: rng.randint(0, len(text) - 1)])
        case 1:
            file.write_bytes(rng.randbytes(200))
        case 2:
            file.write_text("[" * rng.choice((10, 100_000)))
        case 3:
            file.write_text(json.dumps(rng.choice(VALUES)))
        case 4:
            cycle: dict[str, Any] = yaml.safe_load(
                "&a {architectures: [LlamaForCausalLM], text_config: *a, hidden_size: *a}"
            )
            _count(cycle, rng)
            return
        case _:
            file.unlink(missing_ok=True)
    _count(load_config(rng.choice((file, folder))), rng)


def _bad_request(rng: random.Random, folder: Path) -> None:
    number = rng.choice((-1, 0, 1, 2, 3, 5, 17, 64, 10**6, 10**12))
    cluster = (
        rented(rng.choice(("ecs.gn8is-2x.8xlarge", "ecs.nothing", "")), rng.choice((number, 2)))
        if rng.random() < 0.5
        else owned(rng.choice(("L20", "RTX-3090", "B200", "")), rng.choice((number, 8)), rng.choice((number, 2)))
    )
    plan(
        PlanRequest(
            model=find_model(rng.choice((*models(), "nothing", "", "\0", "../../etc/passwd", "x.json"))),
            clusters=(cluster,),
            engine=rng.choice((Engine.VLLM, Engine.SGLANG, Engine.LLAMACPP, Engine.OLLAMA, Engine.VLLM_ASCEND)),
            engine_version=rng.choice(("0.24.0", "0.33.0", "", "latest", "-1", "9" * 400, "0.1.0", "²")),
            tensor_parallel_size=rng.choice((None, number, 2)),
            pipeline_parallel_size=rng.choice((None, number, 2)),
            start=Start(storage_class=rng.choice(("performance", "capacity", "extreme", "fast"))),
            arguments={"max_model_len": rng.choice(("4096", "auto", "32k"))},
        )
    )


def _bad_arguments(rng: random.Random, folder: Path) -> None:
    model, device = find_model("qwen2.5-7b-instruct").model, device_of_memory(rng.choice((81559, -1, 0, 24576, 10**9)))
    given = {rng.choice(ARGUMENTS): str(rng.choice(VALUES)) for _ in range(rng.randint(1, 3))}
    version = vllm_version("0.24.0")
    memory(model, Split(), device, version, resolve_arguments(model, device, version, given))
