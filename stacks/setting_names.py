"""Where a stack has what the planner names: the one map of names."""

from __future__ import annotations

import re
from functools import partial

from planner import PARTITION, Change, Refusal, catalog_model, flag

PATHS = {
    "tensor_parallel_size": "serving.tensorParallelSize",
    "pipeline_parallel_size": "serving.pipelineParallelSize",
    "data_parallel_size": "serving.dataParallelSize",
    "enable_expert_parallel": "serving.expertParallel",
    "max_model_len": "serving.maxModelLen",
    "kv_cache_dtype": "serving.kvCacheDtype",
    "executor": "serving.executor",
    "concurrency": "serving.concurrency",
    "engine_version": "images.engine",
    "engine": "serving.engine",
    "model": "model.id",
    "config": "model.config",
    "instanceType": "cloud.candidates",
    "perMachine": "accelerator.perMachine",
    "accelerators": "accelerator.perMachine",
    "storage.class": "cloud.nas.storageClass",
    "devices": "accelerator.perMachine",
    "num_gpu": "serving.arguments: num_gpu",
    PARTITION: f"serving.environment: {PARTITION}",
}
"""The planner's names of settings, and the stack's, where the platform makes no difference."""


def setting_path(name: str, *, rented: bool) -> str:
    """The stack's name of what the planner names.

    Args:
        name: the planner's.
        rented: whether the machines are rented, and not a list of one's own.
    """
    match name:
        case "machines" | "nodes":
            return "cloud.machines" if rented else "machines"
        case "gpu":
            return "cloud.candidates" if rented else "accelerator.gpu"
        case _ if name in PATHS:
            return PATHS[name]
        case _ if name.startswith(("config.json", "quantization_config")):
            return f"model.config: {name}"
        case _ if re.fullmatch(r"[a-z]+(_[a-z]+)+|dtype|quantization|device", name):
            return f"serving.arguments: {flag(name)}"
    return name


def in_settings(refusal: Refusal, *, rented: bool) -> str:
    """A refusal in the stack's words: `setting: reason; remedy`."""
    remedy = refusal.remedy_in(partial(setting_change, rented=rented))
    path = setting_path(refusal.setting, rented=rented)
    if refusal.code == "bad_argument" and refusal.setting == "kv_cache_dtype":
        # The setting knows no such value: an argument said it.
        path = "serving.arguments: --kv-cache-dtype"
    return f"{path}: {refusal.reason}; {remedy}"


def setting_change(change: Change, *, rented: bool) -> Change:
    """A change of the planner's by the stack's name of its setting, for a sentence."""
    value = catalog_model(str(change.value)).hub_id or change.value if change.setting == "model" else change.value
    if change.setting == "engine_version":
        return Change("vLLM's version", value)
    if change.setting == "devices":
        return Change("the number of devices", value)
    if change.setting in ("machines", "nodes") and not rented:
        return Change("the number of machines", value)
    return Change(setting_path(change.setting, rented=rented), value)
