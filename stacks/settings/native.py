"""Settings of machines that lend a login and no more, such as rented containers."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from components.serving import EngineName
from stacks import versions
from stacks.settings.base import SettingsModel
from stacks.settings.text_types import LoginPath, Requirement

PROGRAMS: dict[EngineName, tuple[tuple[str, ...], str]] = {
    "vllm": (("vllm",), "vllm"),
    "sglang": (("python3",), "sglang"),
    "llamacpp": (("llama-server", "ggml-rpc-server"), ""),
    "ollama": (("ollama",), ""),
}
"""What an engine needs on PATH, and the Python module it is; other engines need containers."""


class NativeSettings(SettingsModel):
    """Runtime native: where things are on the machines, all of which are alike."""

    folder: str = Field("~/.tandem", description="where everything of ours lies on each machine")
    python: LoginPath | None = Field(
        None,
        description="an interpreter on the machines whose environment has the engine, such as /opt/conda/bin/python",
    )
    version: str | None = Field(
        None, pattern=r"^\d+\.\d+(\.\d+)?$", description="the engine's version in the environment that python names"
    )
    packages: tuple[Requirement, ...] = Field(
        (), description="pip requirements that have the engine, for an environment of its own on each machine"
    )
    path: tuple[LoginPath, ...] = Field((), description="folders of programs, put before PATH: llama.cpp's, Ollama's")
    trigger: str = Field(
        "", description="any text; change it after a machine was restarted: what isn't running is started"
    )

    @field_validator("folder")
    @classmethod
    def _below_home_or_absolute(cls, value: str) -> str:
        if not re.fullmatch(r"(~/|/)[A-Za-z0-9._/-]+", value):
            raise ValueError("must be a path without blanks that begins with / or ~/, such as ~/.tandem")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.python and self.packages:
            raise ValueError("python and packages: both name an environment; take one of them out")
        return self

    def requirements(self, engine: EngineName, executor: str) -> tuple[str, ...]:
        """What pip installs, where nothing else is said; nothing where an environment is there."""
        if self.python or self.packages or self.path:
            return self.packages
        return (
            *versions.ENGINE_PACKAGES.get(engine, ()),
            *([versions.RAY_PACKAGE] if engine == "vllm" and executor == "ray" else []),
        )
