"""The engines that can be planned."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """A serving engine. vllm-ascend is counted by vLLM's rules, Ollama by llama.cpp's; SGLang has vLLM's layers."""

    VLLM = "vllm"
    SGLANG = "sglang"
    VLLM_ASCEND = "vllm-ascend"
    LLAMACPP = "llamacpp"
    OLLAMA = "ollama"
    TENSORRT_LLM = "tensorrt-llm"

    @property
    def offloads(self) -> bool:
        """Whether it lays whole layers on devices and the rest into the machine's memory, instead of splitting each."""
        return self in (Engine.LLAMACPP, Engine.OLLAMA)
