"""Settings of machines that lend a login and no more, such as rented containers, and what can't be on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from components.serving import EngineName
from stacks import versions
from stacks.accelerator_schema import OF_OWN_MACHINES
from stacks.model import Model
from stacks.words import LoginPath, Requirement

if TYPE_CHECKING:
    from stacks.schema import Settings

PROGRAMS: dict[EngineName, tuple[tuple[str, ...], str]] = {
    "vllm": (("vllm",), "vllm"),
    "sglang": (("python3",), "sglang"),
    "llamacpp": (("llama-server", "ggml-rpc-server"), ""),
    "ollama": (("ollama",), ""),
}
"""What an engine needs on PATH, and the Python module it is; engines that aren't here need containers."""


class NativeSettings(Model):
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
            *([f"ray=={versions.RAY}"] if engine == "vllm" and executor == "ray" else []),
        )


def refusals(settings: Settings) -> Iterator[str]:
    """What runtime native and other settings don't allow together, one sentence each."""
    native, storage = settings.runtime == "native", settings.storage
    if not native:
        if settings.native != NativeSettings():  # type: ignore[call-arg]  # every field has a default
            yield "native: belongs to runtime native, and this stack's is docker; take it out, or set runtime: native"
        if storage.path is not None:
            yield from _folder_there(settings)
        return
    if given := settings.accelerator.changed(OF_OWN_MACHINES):
        yield f"accelerator.{given}: nothing is installed with runtime native; take it out"
    engine = settings.serving.engine
    if settings.platform != "hosts":
        yield "runtime: native is for machines that exist already; those of Alibaba Cloud get Docker: set it to docker"
    if settings.accelerator.kind == "ascend":
        yield "runtime: native knows no Ascend devices; set runtime: docker"
    if engine not in PROGRAMS:
        known = ", ".join(PROGRAMS)
        yield f"runtime: {engine} runs in its image only; set runtime: docker, or serving.engine to one of {known}"
    elif not (versions.ENGINE_PACKAGES.get(engine) or settings.native.path or settings.native.python):
        yield f"native.path: is missing; {engine} is no pip package: name the folder of its programs on the machines"
    if settings.images.mounts:
        yield "images.mounts: there are no containers with runtime native to mount into; take it out"
    if storage.server is not None:
        yield "storage.server: nothing is mounted with runtime native; give storage.path, the machines' shared folder"
    elif storage.path is None:
        yield "storage.path: is missing; runtime native needs a folder that all machines share, such as /datadrive"
    else:
        yield from _folder_there(settings)


def _folder_there(settings: Settings) -> Iterator[str]:
    """What `storage.path` doesn't allow: a folder that is on the machines already, so nothing is mounted."""
    storage = settings.storage
    path = storage.path or ""
    if settings.platform != "hosts":
        yield "storage.path: machines of Alibaba Cloud come with no folder; take it out, a NAS is made for them"
    elif storage.server is not None:
        yield (
            "storage.path: is there already, and storage.server is mounted; take the path out, or the server where "
            "every machine has the folder"
        )
    elif not PurePosixPath(path).is_absolute():
        yield f"storage.path: must be an absolute path, such as /{path.lstrip('./')}"
