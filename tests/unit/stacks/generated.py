"""Bad settings of a stack, made from a seed: wrong types, negative, huge, NaN, unknown names, what can't be planned."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from stacks.load_settings import parse
from stacks.planning import plan_for
from stacks.settings.errors import SettingsError
from tests.support.stack_files import read
from tests.unit.planner.generated import VALUES

STACKS = ("dev", "hosts", "local")
LIKELY: dict[str, tuple[Any, ...]] = {
    "tensorParallelSize": (1, 2, 3, 4, 8, 32),
    "pipelineParallelSize": (1, 2, 4, 16),
    "dataParallelSize": (0, 1, 2, 3, 16, "2"),
    "expertParallel": (True, False, "yes", 1),
    "machines": (1, 2, 4, 64),
    "perMachine": (1, 2, 4, 8, 16),
    "kind": ("cpu", "nvidia"),
    "gpu": ("L20", "RTX-3090", "L2"),
    "instanceType": ("ecs.gn8is-2x.8xlarge", "ecs.gn6v-c8g1.2xlarge", "ecs.g7.large", "ecs.no.large"),
    "id": ("deepseek-ai/DeepSeek-R1", "Qwen/Qwen2.5-72B-Instruct-AWQ", "nobody/nothing", "/etc"),
    "config": ("/nowhere/config.json", "~", "Pulumi.yaml"),
    "maxModelLen": (1, 4096, 32768, 10**6),
    "arguments": (["--gpu-memory-utilization=2"], ["--kv-cache-dtype=fp9"], ["--max-num-seqs", "0"], ["--dtype=int3"]),
    "speculative": (
        {"method": "mtp"},
        {"method": "ngram", "tokens": 3},
        {"method": "draft", "model": "a/b", "tokens": 2},
        {"method": "eagle"},
        {"method": "guess"},
        {"tokens": 99},
        "mtp",
    ),
    "lora": (
        {},
        {"maxLoras": 4, "maxRank": 64},
        {"adapters": {"law": "a/b"}},
        {"maxRank": 24},
        {"maxLoras": 10**9},
        [],
    ),
    "kvCacheDtype": ("fp8", "auto", "fp8_e5m2", "int3"),
    "prefixCaching": (True, False, "yes"),
    "chunkedPrefill": (True, False, 2),
    "engine": ("vllm/vllm-openai:v0.33.0", "x:latest", "x:0.1.0", ""),
}
"""Values of settings that are well formed, and work or don't."""
FEATURES = ("speculative", "lora", "kvCacheDtype", "prefixCaching", "chunkedPrefill")


@cache
def _base(stack: str) -> dict[str, Any]:
    return read(stack)


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield value, key
        yield from _places(inner)


def refusals(seed: int, count: int) -> Iterator[str]:
    """What is said to those of `count` mistakes that are refused; anything but a SettingsError passes through."""
    rng = random.Random(seed)  # noqa: S311  # generated inputs, not secrets
    for _ in range(count):
        config = copy.deepcopy(_base(rng.choice(STACKS)))
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.2 and isinstance(config.get("serving"), dict):
                # Settings that stacks leave out; an earlier mistake may have left no section at all.
                config["serving"].setdefault(rng.choice(FEATURES), None)
            places = list(_places(config))
            likely = [place for place in places if place[1] in LIKELY]
            where, key = rng.choice(likely if likely and rng.random() < 0.5 else places)
            if isinstance(where, dict) and rng.random() < 0.15:
                where.pop(key)
            elif isinstance(where, dict) and rng.random() < 0.1:
                where[f"{key}s"] = where.pop(key)
            else:
                where[key] = rng.choice(LIKELY[key] if key in LIKELY and rng.random() < 0.8 else VALUES)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in config.items()}
        try:
            plan_for(parse(texts))
        except SettingsError as error:
            yield str(error)
