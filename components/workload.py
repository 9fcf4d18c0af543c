"""A process of a deployment, whatever it runs in: a container, or the machine itself (docs/decisions/0010)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True)
class Workload:
    """One process, in the words of a container; a native room has them mean what is on the machine.

    Attributes:
        image: what is ready on that machine: an image's id, or folders of programs joined by `:`.
        entrypoint: the program.
        command: its arguments.
        environment: variables; secrets belong into `files`.
        files: content by path below `/tandem`, secrets among them: nobody sees them in `docker inspect`.
        mounts: folders of the machine, `source:target[:ro]`.
        sees_processes: sees the machine's processes: a Ray driver finds its node by them.
        accelerated: uses the host's accelerators, with what the host knows of them; waits until they are proven.
    """

    image: pulumi.Input[str]
    entrypoint: Sequence[str]
    command: pulumi.Input[Sequence[pulumi.Input[str]]]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    mounts: Sequence[str] = ()
    sees_processes: bool = False
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
