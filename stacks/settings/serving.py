"""Settings of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from components.serving import EngineName
from stacks.settings.base import Port, SettingsModel
from stacks.settings.features import LoraSettings, SpeculativeSettings
from stacks.settings.text_types import AsItStands, VariableName

TASKS = {
    "--task=embed": "embedding",
    "--task=embedding": "embedding",
    "--task=score": "rerank",
    "--task=transcription": "transcription",
    "--embedding": "embedding",
    "--embeddings": "embedding",
    "--is-embedding": "embedding",
    "--reranking": "rerank",
    "--rerank": "rerank",
}
"""Arguments of vLLM, SGLang and llama.cpp that say what a model is used for."""


class ServingSettings(SettingsModel):
    """The engine and how the model is split."""

    engine: EngineName = Field("vllm", description=f"one of {', '.join(get_args(EngineName))}")
    executor: Literal["ray", "mp"] = Field(
        None,  # type: ignore[arg-type]  # chosen by Settings, which alone sees machines and image
        description="vLLM: mp, its own multi-node mode, or ray; mp if unset, and ray where machines or image need it",
    )
    split: Literal["auto"] | None = Field(
        None, description="auto: the sizes left out are chosen by what is planned, as they are where none is given"
    )
    tensor_parallel_size: int = Field(  # type: ignore[assignment]  # chosen by stacks.split, which sees machines
        None,
        ge=1,
        description="accelerators that share each layer; chosen if unset",
    )
    pipeline_parallel_size: int = Field(  # type: ignore[assignment]  # the same
        None,
        ge=1,
        description="stages the layers are cut into; 1 if unset and tensorParallelSize is given",
    )
    data_parallel_size: int = Field(
        1, ge=1, description="vllm, sglang: ranks with attention and KV cache of their own, behind the one URL"
    )
    expert_parallel: bool = Field(
        False, description="vllm, sglang: experts are spread whole over the accelerators, not each cut"
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="requests of maxModelLen tokens that must fit at once, and by whose speed a split is chosen",
    )
    max_model_len: int | None = Field(None, ge=1, description="longest prompt and answer together, in tokens")
    port: Port = Field(8100, description="the engine's own port; reached from its machine only")
    speculative: SpeculativeSettings | None = Field(None, description="who proposes tokens: method, model, tokens")
    lora: LoraSettings | None = Field(None, description="adapters beside the model: adapters, maxLoras, maxRank")
    kv_cache_dtype: Literal["auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"] | None = Field(
        None, description="type of the KV cache; fp8 holds twice the tokens"
    )
    prefix_caching: bool | None = Field(
        None, description="keep the KV cache of prompts' beginnings; the engine's if unset"
    )
    chunked_prefill: bool | None = Field(None, description="long prompts in parts, between others' answers; the same")
    arguments: tuple[AsItStands, ...] = Field((), description="more arguments for the engine, one a list entry")
    environment: dict[VariableName, AsItStands] = Field({}, description="environment of the engine's processes")
    collective: bool = Field(
        True, description="an all-reduce over all accelerators before weights load; false leaves it out"
    )
    ready_timeout: int = Field(
        3600, ge=10, le=86400, description="seconds from the engine's start to its first completion"
    )
    ray_port: Port = Field(6379, description="executor ray: Ray's first port on each machine; it takes eight in a row")
    ray_worker_ports: str = Field(
        "10002-10999", pattern=r"^\d{1,5}-\d{1,5}$", description="executor ray: FIRST-LAST port of Ray's workers"
    )
    engine_port: Port | None = Field(
        None,
        description="the engine's own port between machines; 29501 (vLLM's mp, SGLang), 50052 (llama.cpp) or "
        "29500 (TensorRT-LLM) when left out; SGLang takes 14 in a row with data parallel ranks, vLLM two where each of "
        "those lies on several machines",
    )
    group_port: Port = Field(29400, description="where the supervisors of the ranks meet, on the first machine")
    collective_port: Port = Field(29417, description="where the ranks of the collective meet, on the first machine")

    @model_validator(mode="before")
    @classmethod
    def _one_stage(cls, value: Any) -> Any:  # noqa: ANN401  # whatever a stack's file has
        """A given tensorParallelSize alone means one stage."""
        if isinstance(value, Mapping) and value.get("tensorParallelSize") is not None and value.get("split") is None:
            return {"pipelineParallelSize": 1, **value}
        return value

    @property
    def ray_workers(self) -> tuple[int, int]:
        """The first and the last port of Ray's workers."""
        first, _, last = self.ray_worker_ports.partition("-")
        return int(first), int(last)

    @field_validator("ray_worker_ports")
    @classmethod
    def _enough_ports(cls, value: str) -> str:
        first, _, last = value.partition("-")
        if not 1 <= int(first) <= int(last) - 99 <= 65535 - 99:
            raise ValueError(
                f"{value} are not a hundred ports or more between 1 and 65535; write FIRST-LAST, such as 20000-20999"
            )
        return value


def task_of(words: tuple[str, ...]) -> str | None:
    """What the engine's arguments say that the model is for; None where they don't."""
    joined = " ".join(words).replace("--task ", "--task=").split()
    return next((TASKS[word] for word in joined if word in TASKS), None)
