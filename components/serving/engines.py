"""Every engine, by the name that settings use."""

from __future__ import annotations

from typing import Literal

from components.serving.ascend import AscendVllm
from components.serving.engine import Engine
from components.serving.llamacpp import LlamaCpp
from components.serving.ollama import Ollama
from components.serving.sglang import Sglang
from components.serving.tensorrt_llm import TensorRtLlm
from components.serving.vllm import Vllm

EngineName = Literal["vllm", "sglang", "llamacpp", "ollama", "tensorrt-llm", "vllm-ascend", "vllm-mindspore"]


def find_engine(name: EngineName, executor: Literal["ray", "mp"] = "ray") -> Engine:
    """An engine.

    Args:
        name: which.
        executor: for those that know both, vLLM and its kin; the others have their own way.
    """
    engines: dict[EngineName, Engine] = {
        "vllm": Vllm(executor),
        "sglang": Sglang(),
        "llamacpp": LlamaCpp(),
        "ollama": Ollama(),
        "tensorrt-llm": TensorRtLlm(),
        "vllm-ascend": AscendVllm(executor),
        "vllm-mindspore": AscendVllm(
            executor,
            name="vllm-mindspore",
            program="vllm-mindspore",
            mindspore=True,
            collective=False,
            data_parallel=False,
        ),
    }
    return engines[name]
