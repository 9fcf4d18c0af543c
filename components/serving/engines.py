"""Every engine, by the name that settings use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from components.serving.ascend import AscendVllm
from components.serving.engine import Engine
from components.serving.llamacpp import LlamaCpp
from components.serving.ollama import Ollama
from components.serving.sglang import Sglang
from components.serving.tensorrt_llm import TensorRtLlm
from components.serving.vllm import Vllm

EngineName = Literal["vllm", "sglang", "llamacpp", "ollama", "tensorrt-llm", "vllm-ascend", "vllm-mindspore"]


_ENGINES: Mapping[EngineName, Callable[[Literal["ray", "mp"]], Engine]] = {
    "vllm": Vllm,
    "sglang": lambda _: Sglang(),
    "llamacpp": lambda _: LlamaCpp(),
    "ollama": lambda _: Ollama(),
    "tensorrt-llm": lambda _: TensorRtLlm(),
    "vllm-ascend": AscendVllm,
    "vllm-mindspore": lambda executor: AscendVllm(
        executor,
        name="vllm-mindspore",
        program="vllm-mindspore",
        mindspore=True,
        collective=False,
        data_parallel=False,
    ),
}


def find_engine(name: EngineName, executor: Literal["ray", "mp"] = "ray") -> Engine:
    """An engine.

    Args:
        name: which.
        executor: for those that know both, vLLM and its kin; the others have their own way.
    """
    return _ENGINES[name](executor)
