"""What workloads run in: containers, or the machine itself. Everything above says what runs, and not in what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.containers import pull_image, run_container
from components.host import Host
from components.machine import RemoteStep
from components.processes import run_process
from components.workload import Running, Workload

FILES = Path(__file__).parent / "host" / "files"


@dataclass(frozen=True)
class Environment:
    """Where a native room has an engine's programs from.

    Attributes:
        programs: what must be there.
        module: a Python module that must be, for engines that are started as one; empty for none.
        python: an interpreter whose environment holds it; None for none.
        packages: pip requirements that make an environment which holds it.
        path: folders of programs, before all others.
        pip_index: Python package index; None is pip's own.
        version: of the module, which must be there; None takes any.
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


def run_workload(name: str, *, host: Host, stack: str, args: Workload, opts: pulumi.ResourceOptions) -> Running:
    """Declares a workload on a host, in the host's room."""
    if host.room == "native":
        return run_process(name, host=host, stack=stack, args=args, opts=opts)
    container = run_container(name, host=host, stack=stack, args=args, opts=opts)
    return Running(container.name, container.id, container)


def prepare_programs(
    name: str, *, host: Host, stack: str, image: str, environment: Environment | None
) -> pulumi.Output[str]:
    """Has a host get what workloads start from: an image, or in a native room an environment; see `Workload.image`."""
    if environment is None or host.room == "docker":
        return pull_image(f"{name}-image", host=host, image=image, opts=pulumi.ResourceOptions()).image_id
    step = RemoteStep(
        f"{name}-environment",
        machine=host.machine,
        stack=stack,
        script=FILES / "environment.sh",
        files={"pip.sh": FILES / "pip.sh"},
        environment={
            "PROGRAMS": " ".join(environment.programs),
            "MODULE": environment.module,
            "PYTHON": environment.python or "",
            "PACKAGES": "\n".join(environment.packages),
            "FOLDERS": ":".join(environment.path),
            "PIP_INDEX": environment.pip_index or "",
            "EXPECTED": environment.version or "",
        },
        long=True,
        timeout=7200,
        after=[host.storage],
        parent=host,
    )
    return step.result.apply(lambda found: _found(host, environment, found))


def _found(host: Host, environment: Environment, found: Mapping[str, str]) -> str:
    there, planned = found.get("version", ""), environment.planned
    if there and planned and there != planned:
        pulumi.log.warn(
            f"{host.machine.name} has {environment.module} {there}, and the plan counts by the rules of {planned}: set "
            f"native.version to {there} to plan with what is there"
        )
    return found["path"]
