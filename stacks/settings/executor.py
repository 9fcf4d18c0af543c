"""How vLLM's ranks are started where nothing is said."""

from __future__ import annotations

import re
from typing import Literal

from stacks import versions
from stacks.settings.stack import Settings


def choose_executor(settings: Settings) -> Literal["ray", "mp"]:
    """mp, which needs no Ray in the image, unless only Ray can.

    Ray places ranks on machines with different numbers of accelerators, and starts vLLM that knows no machines of its
    own. Engines that are neither vLLM nor its kin have their own way and ignore it.
    """
    engine = settings.serving.engine
    if engine in ("vllm-ascend", "vllm-mindspore"):
        return "ray"  # in their images; vllm-mindspore's vLLM knows no other way
    if engine != "vllm":
        return "mp"
    counts = settings.accelerators
    if settings.serving.data_parallel_size > 1 and settings.serve_args.world_size == sum(counts):
        # Data parallel ranks are placed one by one, on machines that need not be alike.
        rank = settings.serve_args.world_size // settings.serving.data_parallel_size
        if all(count % rank == 0 for count in counts):
            return "mp"
    if len(set(counts)) > 1:
        return "ray"
    version = engine_version(engine_source(settings))
    return "ray" if len(counts) > 1 and version is not None and version < versions.VLLM_MULTI_NODE else "mp"


def engine_source(settings: Settings) -> str:
    """The engine's image, or what pip is asked for, written as one; empty where an environment is just there."""
    if settings.runtime == "docker":
        return settings.engine_image
    if settings.native.version:
        return f"{settings.serving.engine}:{settings.native.version}"
    requirements = settings.native.requirements(settings.serving.engine, settings.serving.executor or "mp")
    return next((text.replace("==", ":") for text in requirements if text.startswith("vllm")), "")


def engine_version(image: str) -> tuple[int, ...] | None:
    """The version that an image's tag names; None where it names none."""
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    found = re.search(r"\d+\.\d+\.\d+", tag)
    return tuple(int(part) for part in found[0].split(".")) if found else None
