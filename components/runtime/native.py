"""Hosts that are lent as they are: looked at, never changed, and workloads are processes of the machine itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pulumi

from components.host import (
    AcceleratorAccess,
    Environment,
    Host,
    Mount,
    Programs,
    ProgramsArgs,
    Running,
    Workload,
    nvidia_driver_proof,
    nvidia_process_access,
    storage,
)
from components.machine import BASE, PIP, Installation, RemoteStep, Stage
from components.machine.payload import FILES as MACHINE_FILES
from components.runtime.process import run_process

FILES = Path(__file__).parent / "files"


class NativeHost(Host):
    """A machine that gives a login and no more: neither root nor systemd nor Docker is asked for."""

    has_containers = False
    step_files: ClassVar[Mapping[str, Path]] = {"runtime.sh": FILES / "native.sh"}

    @staticmethod
    def installation(folder: str = BASE) -> Installation:
        """As the login, below a folder of its own."""
        return Installation(folder, False, MACHINE_FILES / "acquire_native.sh", MACHINE_FILES / "cleanup_native.sh")

    def _stages(self) -> list[Stage]:
        proof = [nvidia_driver_proof(self.accelerator)] if self.accelerator.kind == "nvidia" else []
        return [storage(self.args), *proof]

    def _access(self, found: pulumi.Output[dict[str, str]]) -> AcceleratorAccess:
        nvidia = self.accelerator.kind == "nvidia"
        return nvidia_process_access(self.accelerator, found) if nvidia else AcceleratorAccess()

    def prepare(self, name: str, args: ProgramsArgs) -> Programs:
        """See `Host`. An environment that is there, or one made of packages."""
        environment = args.environment
        if environment is None:
            return Programs(pulumi.Output.from_input(""))
        step = RemoteStep(
            f"{name}-environment",
            machine=self.machine,
            script=FILES / "environment.sh",
            files=PIP if environment.lock is None else {**PIP, "requirements.lock": environment.lock},
            environment={
                "PROGRAMS": " ".join(environment.programs),
                "MODULE": environment.module,
                "PYTHON": environment.python or "",
                "PACKAGES": "\n".join(environment.packages),
                "FOLDERS": ":".join(environment.path),
                "PIP_INDEX": environment.pip_index or "",
                "EXPECTED": environment.version or "",
                "SETTING": environment.setting,
            },
            long=True,
            timeout=7200,
            after=[self.prepared],
            parent=self,
        )
        return Programs(step.result.apply(lambda found: self._path(environment, found)), done=step.done)

    def _path(self, environment: Environment, found: Mapping[str, str]) -> str:
        """Folders of programs; warns of a version by whose rules the plan does not count."""
        there, planned = found.get("version", ""), environment.planned
        if there and planned and there != planned:
            pulumi.log.warn(
                f"{self.machine.name} has {environment.module} {there}, and the plan counts by the rules of {planned}: "
                f"set native.version to {there} to plan with what is there"
            )
        return found["path"]

    def run(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """See `Host`. The process sees the machine as it is: what a container would have mounted is renamed."""
        return run_process(
            self, name, workload, self.access if workload.accelerated else AcceleratorAccess(), opts=opts
        )

    def run_beside(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """See `Host`: all are processes of the machine."""
        return self.run(name, workload, opts=opts)

    def run_options(self, mounts: Sequence[Mount]) -> pulumi.Output[list[str]]:
        """See `Host`: none; a program finds all where it is."""
        nothing: list[str] = []
        return pulumi.Output.from_input(nothing)
