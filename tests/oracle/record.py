"""Writes answers.json: what vLLM's own model classes hold, and refuse, for every case below.

    python -m tests.oracle.record ENGINE_PYTHON [NAME_PART]

ENGINE_PYTHON is a Python that can import vLLM: the CPU build will do (`opt/vllm/bin/python3` under the engine's root in
the cache); models with a vision tower need torchvision too (PYTHONPATH). NAME_PART takes only the cases whose name
holds it and prints them instead. About 15 minutes on two cores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from planner.catalog.models import model_config
from planner.recorded.engine import engine_answers
from tests.support.shapes import SHAPES, VISION

HERE = Path(__file__).parent
RECORDED = HERE / "answers.json"

CASES: dict[str, list[str]] = {
    # dense GQA
    "qwen2.5-0.5b-instruct": ["1x1", "2x1", "4x1", "1x2", "8x1"],
    "qwen2.5-7b-instruct": ["1x1", "2x2", "4x1", "3x1", "1x3", "28x1"],
    "qwen2.5-14b-instruct": ["5x1", "8x2"],
    "qwen2.5-72b-instruct": ["2x2", "8x3", "16x1"],
    "llama-3.1-8b-instruct": ["2x1", "1x5", "6x1"],
    "llama-3.1-405b-instruct": ["8x4"],
    "qwen3-8b": ["1x1", "4x2"],
    "qwen3-0.6b": ["1x3"],
    # MoE
    "qwen3-30b-a3b": ["1x1", "4x2", "8x1e", "3x1"],
    "qwen3-235b-a22b": ["8x4"],
    "qwen1.5-moe-a2.7b": ["2x1", "4x2"],
    "mixtral-8x7b-instruct": ["2x2", "8x1e"],
    "glm-4.5-air": ["4x2", "3x1"],
    # MLA
    "deepseek-v2-lite": ["1x1", "4x2"],
    "deepseek-r1-bf16": ["8x4"],
    # FP8 in blocks
    "deepseek-r1": ["8x2", "16x1", "32x1", "32x1e"],
    "kimi-k2-instruct": ["16x2"],
    "qwen3-32b-fp8": ["2x1", "8x1", "16x1"],
    "qwen3-30b-a3b-fp8": ["2x1", "4x1", "4x1e"],
    "qwen3-235b-a22b-fp8": ["4x2", "8x1"],
    # 4 bits, and FP8 by channel
    "qwen2.5-72b-instruct-awq": ["2x1", "8x2"],
    "deepseek-r1-awq": ["8x4"],
    "qwen2.5-7b-instruct-gptq-int4": ["1x1", "2x2"],
    "llama-3.1-70b-instruct-fp8": ["2x2"],
    "llama-3.3-70b-instruct-nvfp4": ["1x1", "2x1"],
    "gpt-oss-20b": ["1x1", "2x2"],
    # sliding window, hybrid
    "mistral-7b-v0.1": ["2x1"],
    "gemma-2-27b-it": ["2x2", "3x1"],
    "gemma-3-1b-it": ["1x1", "1x2"],
    "qwen3-next-80b-a3b-instruct": ["2x1", "4x2"],
}
"""Model to splits, tensor x pipeline parallel size; e: expert parallel."""

DATA_CASES: dict[str, list[str]] = {
    "mixtral-8x7b-instruct": ["1x1x2", "2x1x2e", "1x1x8e"],
    "qwen3-30b-a3b": ["2x1x2", "1x1x8e", "2x1x4e", "2x2x2e"],
    "qwen3-235b-a22b-fp8": ["4x1x4e"],
    "qwen1.5-moe-a2.7b": ["1x1x4e", "2x1x2e"],
    "glm-4.5-air": ["2x1x4e"],
    "deepseek-v2-lite": ["1x1x4e", "2x1x2e", "2x1x2"],
    "deepseek-r1": ["1x1x16e", "8x1x2e"],
    "kimi-k2-instruct": ["8x1x4e"],
    "gpt-oss-20b": ["1x1x4e", "2x1x2e"],
    "qwen3-next-80b-a3b-instruct": ["1x1x4e", "2x1x4e"],
    "qwen2.5-7b-instruct": ["2x1x2"],
}
"""Model to splits with data parallel ranks, tensor x pipeline x data parallel size."""


SHAPE_SPLITS = ("1x1", "2x2")
"""Splits of every config in shapes.py."""

FAMILIES: dict[str, dict[str, Any]] = json.loads((HERE / "families.json").read_text())
"""Configs of the current families, as published or, under a class's name, as transformers has it by default."""

FAMILY_SPLITS = ("1x1", "2x1", "2x2", "8x1")
"""Splits of each of them; those that transformers' class made have no 8x1."""

BATCH = 60


def cases() -> list[dict[str, Any]]:
    """Every case, as planner/recorded/engine_program.py reads it."""
    every = [*CASES.items(), *DATA_CASES.items()]
    found = [_case(model, model_config(model), split) for model, splits in every for split in splits]
    found += [
        _case(name, {"torch_dtype": "bfloat16", **config}, s)
        for name, config in {**SHAPES, **VISION}.items()
        for s in SHAPE_SPLITS
    ]
    found += [
        _case(name, config, s)
        for name, config in FAMILIES.items()
        for s in FAMILY_SPLITS
        if s != "8x1" or not name.endswith(("CausalLM", "Generation"))
    ]
    return found


def _case(name: str, config: dict[str, Any], split: str) -> dict[str, Any]:
    tensor, pipeline, *data = (int(size) for size in split.removesuffix("e").split("x"))
    return {
        "name": f"{name} {split}",
        "config": config,
        "tensor": tensor,
        "pipeline": pipeline,
        "data": data[0] if data else 1,
        "expert": split.endswith("e"),
    }


def main() -> None:
    """Records, or prints some."""
    python, part = sys.argv[1], (sys.argv[2:] or [""])[0]
    wanted = [case for case in cases() if part in case["name"]]
    # A fresh process for every few: a class that breaks one doesn't take the rest with it.
    answers = [answer for i in range(0, len(wanted), BATCH) for answer in engine_answers(python, wanted[i : i + BATCH])]
    if part:
        print(json.dumps(answers, indent=1))
    else:
        RECORDED.write_text("[\n" + ",\n".join(map(json.dumps, answers)) + "\n]\n")


if __name__ == "__main__":
    main()
