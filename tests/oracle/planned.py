"""vLLM's recorded answers about its own classes, and what the planner counts for the same configurations."""

from __future__ import annotations

import json
from typing import Any

from planner import Refusal
from planner.catalog.versions import vllm_version
from planner.model.caches import layer_caches
from planner.model.config import parse_model
from planner.split import Split
from planner.vllm.rules import check_split
from planner.vllm.tensors import StageTensors
from tests.oracle.record import RECORDED, cases

ANSWERS: dict[str, dict[str, Any]] = {answer["name"]: answer for answer in json.loads(RECORDED.read_text())}
CASES = {case["name"]: case for case in cases()}
ENGINE = vllm_version("0.32.0")

OFF: dict[str, tuple[float, str]] = {}
"""Configurations whose weights are off by more than 0.1 %: by how much at most, and why."""


def _split(case: dict[str, Any]) -> Split:
    return Split(case["tensor"], case["pipeline"], case["expert"], data=case["data"])


def planned_bytes(case: dict[str, Any]) -> list[int] | str:
    """Bytes of each stage, or the refusal's code."""
    model, split = parse_model(case["config"]), _split(case)
    try:
        check_split(model, split, ENGINE)
    except Refusal as refusal:
        return refusal.code
    lister = StageTensors(model, split)
    return [sum(t.nbytes for t in lister.stage(s) if "rotary" not in t.name) for s in split.stages(model.layers)]


def planned_caches(case: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Bytes of a token, and of a request's states, on each stage."""
    model, split = parse_model(case["config"]), _split(case)
    caches = layer_caches(model, split.tensor, 2)
    found = [[c for c in caches if c.layer in layers] for layers in split.stages(model.layers)]
    return (
        [sum(c.size for c in each if c.kind != "linear") for each in found],
        [sum(c.size for c in each if c.kind == "linear") for each in found],
    )
