"""All settings of a stack, and what follows from them.

Rules between sections are in `stacks.settings.rules`. Secrets never enter these models: `stacks.load_settings` hands
them out as Pulumi secrets.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PrivateAttr

from components.serving import ServeArgs, find_engine
from stacks import versions
from stacks.settings.accelerator import AcceleratorSettings
from stacks.settings.base import SettingsModel
from stacks.settings.benchmark import DESCRIPTION, BenchmarkMode
from stacks.settings.cloud import CloudSettings
from stacks.settings.egress import MirrorSettings
from stacks.settings.firewall import FirewallSettings
from stacks.settings.gateway import GatewaySettings
from stacks.settings.image import ImageSettings
from stacks.settings.machine import MachineSettings
from stacks.settings.model import ModelSettings
from stacks.settings.monitoring import MonitoringSettings
from stacks.settings.native import NativeSettings
from stacks.settings.secrecy import Secrecy
from stacks.settings.serving import ServingSettings, task_of
from stacks.settings.ssh import SshSettings
from stacks.settings.storage import StorageSettings
from stacks.settings.webui import WebUiSettings


class Settings(SettingsModel):
    """One stack, whole."""

    platform: Literal["alicloud", "hosts"] = Field(
        description="alicloud: machines, network and storage are rented; hosts: machines that exist already"
    )
    machines: tuple[MachineSettings, ...] = Field(
        (), description="platform hosts: the machines, each with name and address; the first one leads"
    )
    cloud: CloudSettings | None = Field(
        None, description="platform alicloud: what is rented, and where (region, candidates, machines, adminCidrs)"
    )
    ssh: SshSettings
    runtime: Literal["docker", "native"] = Field(
        "docker", description="docker: containers; native: processes, for machines that lend a login and no more"
    )
    native: NativeSettings = NativeSettings()  # type: ignore[call-arg]  # every field has a default
    accelerator: AcceleratorSettings
    model: ModelSettings
    storage: StorageSettings = StorageSettings()  # type: ignore[call-arg]  # every field has a default
    serving: ServingSettings = ServingSettings()  # type: ignore[call-arg]  # every field has a default
    images: ImageSettings = ImageSettings()  # type: ignore[call-arg]  # every field has a default
    gateway: GatewaySettings = GatewaySettings()  # type: ignore[call-arg]  # every field has a default
    firewall: FirewallSettings = FirewallSettings()  # type: ignore[call-arg]  # every field has a default
    webui: WebUiSettings = WebUiSettings()  # type: ignore[call-arg]  # every field has a default
    monitoring: MonitoringSettings = MonitoringSettings()  # type: ignore[call-arg]  # every field has a default
    mirrors: MirrorSettings = MirrorSettings()  # type: ignore[call-arg]  # every field has a default
    benchmark: BenchmarkMode = Field("off", description=DESCRIPTION)
    _secrecy: Secrecy = PrivateAttr(default_factory=Secrecy)
    _why: tuple[str, ...] = PrivateAttr(())

    def keep_secret(self, secrecy: Secrecy) -> None:
        """Notes which of these settings were given as secrets."""
        self._secrecy = secrecy

    @property
    def secrecy(self) -> Secrecy:
        """Which of these settings were given as secrets."""
        return self._secrecy

    @property
    def why(self) -> tuple[str, ...]:
        """What speaks for the split, one clause each, where it was chosen; empty where it was given."""
        return self._why

    def with_split(self, serving: ServingSettings, why: tuple[str, ...]) -> Settings:
        """The same settings with a split that was chosen, and what speaks for it."""
        found = self.model_copy(update={"serving": serving})
        found._why = why
        return found

    @property
    def collective(self) -> bool:
        """Whether ranks and accelerators are tried together before weights load."""
        able = find_engine(self.serving.engine, self.serving.executor or "mp").collective
        return self.accelerator.kind != "cpu" and self.serving.collective and able

    @property
    def accelerators(self) -> tuple[int, ...]:
        """How many accelerators each machine brings, the first machine first."""
        if self.cloud:
            return (self.accelerator.per_machine,) * self.cloud.machines
        return tuple(
            len(devices) or machine.accelerators or self.accelerator.per_machine
            for machine, devices in zip(self.machines, self.devices, strict=True)
        )

    @property
    def serve_args(self) -> ServeArgs:
        """How the model is served; its arguments as they are written, with no folder in place of a placeholder."""
        serving = self.serving
        return ServeArgs(
            self.model.name,
            serving.tensor_parallel_size,
            serving.pipeline_parallel_size,
            max_model_len=serving.max_model_len,
            port=serving.port,
            arguments=serving.arguments,
            environment=serving.environment,
            ready_timeout=serving.ready_timeout,
            engine_port=serving.engine_port,
            task=self.model.task or task_of(serving.arguments),
            data_parallel_size=serving.data_parallel_size,
            expert_parallel=serving.expert_parallel,
        )

    @property
    def devices(self) -> tuple[tuple[str, ...], ...]:
        """Which accelerators of each machine; none where the first ones are taken."""
        if self.cloud:
            return ((),) * self.cloud.machines
        # A machine with a count of its own has devices of its own, or the first ones.
        common = self.accelerator.devices
        return tuple(machine.devices or common for machine in self.machines)

    @property
    def engine_image(self) -> str:
        """The image that the engine is run from, before anything is added to it."""
        return self.images.engine or self.own_image

    @property
    def own_image(self) -> str:
        """The engine's own public image."""
        own = versions.ENGINE_IMAGES[self.serving.engine]
        return versions.CPU_IMAGES.get(self.serving.engine, own) if self.accelerator.kind == "cpu" else own

    @property
    def world_size(self) -> int:
        """Accelerators in all machines together."""
        return sum(self.accelerators)
