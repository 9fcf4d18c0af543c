"""Runs `engine_program.py` in the Python of an engine, and turns its answers into a record."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from planner.refusal import Refusal

PROGRAM = Path(__file__).with_name("engine_program.py")
STAGES = 3
"""Pipeline stages that are asked for: a first, a middle and a last one."""

Answer = dict[str, Any]
Tensors = list[list[Any]]


def engine_answers(python: str, cases: list[dict[str, Any]], timeout: float = 1200) -> list[Answer]:
    """The engine's answers to cases, in their order (`engine_program.py` says what they hold).

    Raises:
        Refusal: `engine_unavailable`, with the end of what it wrote.
    """
    try:
        done = subprocess.run(
            [python, str(PROGRAM)],
            input=json.dumps(cases),
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unavailable(python, str(error)) from None
    answers = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("ORACLE ")]
    if len(answers) != len(cases):
        raise _unavailable(python, done.stderr[-600:])
    return answers


def _unavailable(python: str, words: str) -> Refusal:
    return Refusal(
        "engine_unavailable",
        "engine-python",
        f"{python} didn't answer: {words}",
        "name a Python that can import vLLM (the CPU build will do; towers need torchvision beside it)",
    )


def record(python: str, config: dict[str, Any], tensors: list[str]) -> Answer:
    """Asks the engine for every size, with one stage and with three, and writes the answers as one record.

    Args:
        python: path of the engine's Python.
        config: values of config.json.
        tensors: tensor-parallel sizes; with `e` behind one, experts are spread over the ranks.

    Raises:
        Refusal: `engine_unavailable`, or `engine_refuses` when it can do none of the sizes.
    """
    cases = [
        {
            "name": key,
            "config": config,
            "tensor": int(key.removesuffix("e")),
            "pipeline": stages,
            "expert": key.endswith("e"),
            "detail": True,
        }
        for key in tensors
        for stages in (1, STAGES)
    ]
    answers = engine_answers(python, cases)
    ranks, refused = {}, {}
    for key, one, three in zip(tensors, answers[::2], answers[1::2], strict=True):
        if "stages" in one:
            ranks[key] = _rank(one["stages"][0], three.get("stages", []))
        else:
            refused[key] = one.get("refused") or one["unsupported"]
    if not ranks:
        raise Refusal("engine_refuses", "config", next(iter(refused.values())), "give another size or config.json")
    return {"engine": answers[0]["engine"], "ranks": ranks, "refused": refused}


def _rank(one: Answer, three: list[Answer]) -> Answer:
    kinds: list[Tensors] = []
    layers = []
    count = 1 + max(layer for layer, _, _ in one["tensors"] if layer is not None)
    for layer in range(count):
        own = [[_short(name), size] for i, name, size in one["tensors"] if i == layer]
        if own not in kinds:
            kinds.append(own)
        layers.append(kinds.index(own))
    ends = [_outside(stage) for stage in three]
    return {"layers": layers, "kinds": kinds, "whole": _outside(one), "ends": ends, "caches": one["kv"]}


def _outside(stage: Answer) -> Tensors:
    found = [[name, size] for layer, name, size in stage["tensors"] if layer is None]
    return [["embed_tokens" if name.endswith("embed_tokens.weight") else name, size] for name, size in found]


def _short(name: str) -> str:
    """A tensor's path behind its layer's number, which is the same in every layer of a kind."""
    return re.split(r"\.\d+\.", name, maxsplit=1)[-1]
