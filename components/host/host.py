"""One machine, from bare to ready for what runs on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pulumi

from components.host import preparation
from components.host.access import AcceleratorAccess
from components.host.args import HostArgs
from components.host.egress import configure_egress
from components.host.workload import Mount, Programs, ProgramsArgs, Running, Workload
from components.machine import BASE, Installation, Machine, Stage, run_stages


class Host(pulumi.ComponentResource, ABC):
    """A machine that is prepared by one step of many stages, and runs workloads; each runtime is a subclass.

    An NVIDIA driver comes before everything that a reboot would interrupt. An Ascend driver is checked, not
    installed: it comes with an account.

    Attributes:
        machine: the machine.
        args: how it is prepared.
        accelerator: its accelerators, as settings have them.
        access: how workloads reach them.
        nic: the network interface that routes to the peers; engines get it by name.
        open_files: files a container may open: 204800, or what the machine allows.
        locked_memory: bytes a container may lock, which RDMA needs; -1 is all.
        hostname: the machine's own name.
        addresses: its IPv4 addresses in networks beyond itself, joined by commas.
        prepared: done when storage and accelerators are usable; `after` of everything on the host.
    """

    has_containers: ClassVar[bool]
    """Whether workloads are containers."""
    step_files: ClassVar[Mapping[str, Path]]
    """For steps that ask what runs: `runtime.sh`, with the same functions for each runtime."""

    def __init__(
        self, name: str, *, machine: Machine, args: HostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("tandem:host:Host", name, None, opts)
        self.machine, self.args, self.accelerator = machine, args, args.accelerator
        containers = args.containers and self.has_containers
        egress = configure_egress(machine, args.egress, containers=containers, parent=self)
        step = run_stages(
            f"{name}-prepare",
            machine=machine,
            stages=[preparation.facts(machine, args), *self._stages()],
            after=[egress] if egress else [],
            parent=self,
        )
        self.prepared = step.done
        self.nic = step.result.apply(lambda found: found["nic"])
        self.hostname = step.result.apply(lambda found: found.get("hostname", ""))
        self.addresses = step.result.apply(lambda found: found.get("addresses", ""))
        self.open_files = step.result.apply(lambda found: int(found["nofile"]))
        self.locked_memory = step.result.apply(lambda found: int(found["memlock"]))
        self.access = self._access(step.result)
        self._connect(name)
        self.register_outputs({"nic": self.nic})

    @staticmethod
    @abstractmethod
    def installation(folder: str = BASE) -> Installation:
        """Where on its machine the runtime works, and with which rights; `folder` is a login's own, without root."""

    @abstractmethod
    def prepare(self, name: str, args: ProgramsArgs) -> Programs:
        """Has programs ready on the host; resources are named after `name`."""

    @abstractmethod
    def run(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """Declares a workload; `opts` gives parent and order."""

    @abstractmethod
    def run_beside(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """Declares a program of ours as a process of the machine itself, also where workloads are containers.

        It runs by the machine's own python3 and with the rights of steps: for what asks after containers, or must see
        the machine as it is. The same for each runtime; `Workload.image` is empty.
        """

    @abstractmethod
    def run_options(self, mounts: Sequence[Mount]) -> pulumi.Output[list[str]]:
        """Words for `runtime_run` of runtime.sh, by which a program has what accelerated workloads have."""

    @abstractmethod
    def _stages(self) -> list[Stage]:
        """What is done after the facts are read."""

    @abstractmethod
    def _access(self, found: pulumi.Output[dict[str, str]]) -> AcceleratorAccess:
        """From the result of the stages."""

    def _connect(self, name: str) -> None:
        """Declares what else workloads need, once the host is prepared."""
