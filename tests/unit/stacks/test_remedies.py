"""Every remedy that is given as data, of settings and of plans, leads to acceptance, and no two form a circle."""

import copy
import json
import random
import re
from typing import Any

import pytest

from stacks.load_settings import parse
from stacks.planning import plan_for
from stacks.settings.errors import SettingsError
from tests.recipes.recipes import RECIPES
from tests.support.stack_files import read

STEPS = 8
"""Remedies followed one after another; each mends a mistake, and three are made at once."""

MISTAKES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("serving.tensorParallelSize", (1, 2, 3, 4, 6, 8, 12, 16, 32, None)),
    ("serving.split", ("auto",)),
    ("serving.concurrency", (1, 16, 500)),
    ("serving.pipelineParallelSize", (1, 2, 3, 4, 5, 7, 8, 14, 16)),
    ("serving.dataParallelSize", (1, 2, 3, 4, 8, 16)),
    ("serving.expertParallel", (True, False)),
    ("serving.maxModelLen", (1024, 32768, 10**6)),
    ("serving.executor", ("mp", "ray", None)),
    (
        "serving.arguments",
        (
            ["--gpu-memory-utilization=0.3"],
            ["--max-model-len=8192"],
            ["--tensor-parallel-size", "4"],
            ["--host=0.0.0.0"],
            ["--data-parallel-size=2"],
            ["--enable-expert-parallel"],
            ["--dp-size=2", "--enable-dp-attention"],
            ["--port", "9"],
            ["-ngl", "99"],
            ["--dtype=bfloat16"],
            ["--cpu-offload-gb", "8"],
            ["num_gpu=61"],
            ["--gpu-layers", "61", "--cpu-moe"],
            ["--max-num-seqs=4096", "--max-num-batched-tokens=512"],
        ),
    ),
    ("serving.kvCacheDtype", ("fp8", "auto", "fp8_e5m2")),
    ("serving.prefixCaching", (True, False)),
    ("serving.lora", ({"maxLoras": 2}, {"maxLoras": 64, "maxRank": 512})),
    ("serving.speculative", ({"method": "ngram", "tokens": 2}, {"method": "mtp"})),
    (
        "serving.environment",
        (
            {"CUDA_VISIBLE_DEVICES": "4,5"},
            {"VLLM_PP_LAYER_PARTITION": "1,2,3"},
            {"VLLM_PP_LAYER_PARTITION": "40,40"},
        ),
    ),
    ("accelerator.perMachine", (1, 2, 3, 4, 7, 8, 16)),
    ("accelerator.gpu", ("L20", "rtx 3090", "V100-16GB", "H20-96GB", "A800-80GB", "B100", None)),
    ("accelerator.devices", ([0, 1], [4, 5, 6, 7], None)),
    (
        "model.id",
        (
            "Qwen/Qwen2.5-72B-Instruct",
            "deepseek-ai/DeepSeek-R1",
            "Qwen/Qwen2.5-7B-Instruct",
            "nobody/Nothing-7B",
            "Qwen/Qwen3-235B-A22B-FP8",
        ),
    ),
    ("machines[1].accelerators", (1, 2, 3, 5)),
    ("machines[1].gpu", ("RTX-3090", "A100-80GB")),
    ("machines[0].devices", ([0, 2], ["GPU-5a1b2c3d-0000-1111-2222-333344445555"])),
    ("cloud.machines", (1, 2, 3, 4)),
)


def change(config: dict[str, Any], path: str, value: Any) -> None:
    """Sets or takes out what is at a path such as `machines[1].gpu`."""
    where: Any = config
    *before, last = re.findall(r"[^.\[\]]+", path)
    for part in before:
        where = where[int(part)] if part.isdigit() else where.setdefault(part, {})
    if value is None:
        where.pop(last, None)
    else:
        where[last] = value


def ask(config: dict[str, Any]) -> SettingsError | None:
    """What is said against it."""
    try:
        plan_for(parse({key: v if isinstance(v, str) else json.dumps(v) for key, v in config.items()}))
    except SettingsError as error:
        return error
    return None


def corrected(seed: int, count: int) -> int:
    """How many of `count` generated mistakes were corrected by the errors' own remedies; a circle or a traceback fails.

    A refusal without a value says so in words: larger GPUs, say; there is nothing to feed back.
    """
    rng = random.Random(seed)  # noqa: S311  # generated inputs, not secrets
    accepted = 0
    for _ in range(count):
        config = copy.deepcopy(read(rng.choice(RECIPES).name))
        for path, made in rng.sample(MISTAKES, rng.randint(1, 3)):
            section = path.partition(".")[0].partition("[")[0]
            if section == "machines" and len(config.get("machines", ())) < 2:
                continue
            if section in config:
                change(config, path, rng.choice(made))
        states = [json.dumps(config, sort_keys=True)]
        messages = []
        while (error := ask(config)) is not None and error.changes:
            messages.append(str(error))
            for path, value in error.changes.items():
                change(config, path, value)
            state = json.dumps(config, sort_keys=True)
            assert state not in states, "\n".join(("a circle of hints:", *messages, states[0]))
            states.append(state)
            assert len(messages) <= STEPS, "\n".join(("too many hints:", *messages, states[0]))
        accepted += bool(messages) and error is None
    return accepted


@pytest.mark.parametrize("seed", range(2))
def test_every_remedy_fed_back_leads_to_acceptance(seed):
    assert corrected(seed, 120) > 15


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_twenty_thousand_mistakes_are_corrected_by_their_own_remedies(seed):
    assert corrected(seed, 1000) > 150
