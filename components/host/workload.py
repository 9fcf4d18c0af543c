"""What runs on a host: programs that are made ready, and processes that are started from them, whatever the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images import BuildArgs, ImageRequirements


@dataclass(frozen=True)
class Mount:
    """A folder of the machine that a container gets."""

    source: str
    target: str
    read_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Mount:
        """From `source:target[:ro]`, as `docker run --volume` has it."""
        source, target, *mode = text.split(":")
        return cls(source, target, mode == ["ro"])

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


@dataclass(frozen=True)
class Environment:
    """Where a machine without containers has programs from.

    Attributes:
        programs: what must be there.
        module: a Python module that must be, for engines that are started as one; empty for none.
        python: an interpreter whose environment holds it; None for none.
        packages: pip requirements that make an environment which holds it.
        lock: a file with all of these and what they need, each with its hashes; None has pip choose what they need.
        path: folders of programs, before all others.
        pip_index: Python package index; None is pip's own.
        version: of the module, which must be there; None takes any.
        setting: where `packages` stand in a stack's file.
        planned: the version that the plan counts with; another one there is warned of.
    """

    programs: Sequence[str]
    module: str = ""
    python: str | None = None
    packages: Sequence[str] = ()
    path: Sequence[str] = ()
    pip_index: str | None = None
    version: str | None = None
    planned: str = ""
    setting: str = "native.packages"
    lock: Path | None = None


@dataclass(frozen=True)
class ProgramsArgs:
    """Programs of a workload, as each runtime gets them.

    Attributes:
        image: a container's, by name.
        environment: where they are without containers; None for what every machine has, such as python3.
        image_requirements: what the image must hold; None takes it as it is.
        build: how the image is completed where it lacks some of that.
        mounts: folders that containers of it get.
        variables: environment of its processes; what says where programs are is looked at.
        accelerated: the image computes on the host's accelerators, and must fit their driver.
    """

    image: str
    environment: Environment | None = None
    image_requirements: ImageRequirements | None = None
    build: BuildArgs = field(default_factory=BuildArgs)
    mounts: Sequence[Mount] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    accelerated: bool = False


@dataclass(frozen=True)
class Programs:
    """Programs that are ready on a host.

    Attributes:
        id: what `Workload.image` takes: an image's id, or folders of programs joined by `:`.
        source: the image as its registry names it by digest, `NAME@sha256:...`; None where there are no images.
        done: done when they are ready; None where the id says so.
    """

    id: pulumi.Output[str]
    source: pulumi.Output[str] | None = None
    done: pulumi.Resource | None = None


@dataclass(frozen=True)
class Workload:
    """One process, in the words of a container; without containers they mean what is on the machine.

    Attributes:
        image: `Programs.id`.
        entrypoint: the program.
        command: its arguments.
        environment: variables; secrets belong into `files`.
        files: content by path below `/tandem`, secrets among them: nobody sees them in `docker inspect`. A `Path` is a
            file of this project, whose content need not pass through the state.
        mounts: folders of the machine.
        sees_processes: sees the machine's processes: a Ray driver finds its node by them.
        user: number of a container's user and group; then it has no capability but that of ports below 1024. Empty for
            root's, which has those for files and processes. A native process is the login's.
        accelerated: uses the host's accelerators, with what the host knows of them.
    """

    image: pulumi.Input[str]
    entrypoint: Sequence[str]
    command: pulumi.Input[Sequence[pulumi.Input[str]]]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Mapping[str, pulumi.Input[str] | Path] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    sees_processes: bool = False
    user: str = ""
    accelerated: bool = False


@dataclass(frozen=True)
class Running:
    """A workload on its machine.

    Attributes:
        name: as scripts on the machine ask for it.
        id: another value is another run of it, from nothing.
        resource: what others depend on who need it started.
    """

    name: pulumi.Output[str]
    id: pulumi.Output[str]
    resource: pulumi.Resource
