"""What a stack can be told: types, descriptions, defaults, and the rules between settings.

A refusal names the setting, says why, and gives the nearest value that works. Secrets never enter
these models: `stacks.settings` hands them out as Pulumi secrets.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self, get_args

from pydantic import Field, PrivateAttr, field_validator, model_validator

from components.serving import EngineName, ServeArgs, find_engine
from planner import Refusal, nearest_split
from stacks import more, ports, serving_rules, versions
from stacks.accelerator_schema import AcceleratorSettings
from stacks.argument_rules import argument_mistakes
from stacks.cloud_schema import CloudSettings
from stacks.devices_schema import Devices, device_mistakes
from stacks.executor import choose_executor
from stacks.image_schema import ImageSettings
from stacks.mistake import Mistake
from stacks.model import Model, Name, Port, check_cidrs
from stacks.model_schema import ModelSettings
from stacks.native_schema import NativeSettings, refusals
from stacks.outside_schema import OutsideSettings
from stacks.secrecy import Secrecy
from stacks.setting_names import in_settings, setting_path
from stacks.ssh_schema import Address, Interface, Jump, SshSettings
from stacks.webui_schema import WebUiSettings
from stacks.words import (
    AbsolutePath,
    AsItStands,
    Device,
    HostPort,
    MountOptions,
    MountPoint,
    Url,
    VariableName,
)


class MachineSettings(Model):
    """One machine that exists already."""

    name: Name = Field(description="short name; also the machine's name in outputs and logs")
    address: Address = Field(description="address or host name that SSH reaches from here")
    port: Port = Field(22, description="SSH port")
    private_address: Address | None = Field(
        None, description="address the other machines reach it by; the SSH address when left out"
    )
    accelerators: int | None = Field(
        None, ge=1, le=16, description="accelerators of this machine that are used; accelerator.perMachine if unset"
    )
    devices: Devices = Field((), description="which of its accelerators; accelerator.devices if unset")
    gpu: str | None = Field(None, description="its GPUs' name, by which memory is planned; accelerator.gpu if unset")
    proxy_jump: Jump | None = Field(
        None, description="a host between, for this machine; ssh.proxyJump when left out, none for no host between"
    )
    hcas: tuple[Device, ...] = Field(
        (), description="this machine's RDMA devices for NCCL, such as mlx5_0; accelerator.hcas when left out"
    )
    nic: Interface | None = Field(
        None, description="the network interface that engines use, such as bond0; found by the route when left out"
    )

    @property
    def peer_address(self) -> str:
        """The address the other machines use."""
        return self.private_address or self.address


class StorageSettings(Model):
    """The folder that all machines share."""

    server: Address | None = Field(None, description="platform hosts: the NFS server, by name or address")
    export: AbsolutePath = Field("/", description="exported folder")
    mount_point: MountPoint = Field("/mnt/tandem", description="where it is mounted on each machine")
    path: AbsolutePath | None = Field(
        None,
        description="platform hosts: a folder that is on every machine already: a drive that all share, or with "
        "model.source path a copy of the weights on each",
    )
    options: MountOptions = Field(
        "vers=3,nolock,proto=tcp,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport",
        description="mount options (these are the ones Alibaba Cloud NAS asks for)",
    )

    @property
    def folder(self) -> str:
        """The shared folder on each machine."""
        return self.path or self.mount_point


class ServingSettings(Model):
    """The engine and how the model is split."""

    engine: EngineName = Field("vllm", description=f"one of {', '.join(get_args(EngineName))}")
    executor: Literal["ray", "mp"] = Field(
        None,  # type: ignore[arg-type]  # chosen by Settings, which alone sees machines and image
        description="vLLM: mp, its own multi-node mode, or ray; mp if unset, and ray where machines or image need it",
    )
    tensor_parallel_size: int = Field(ge=1, description="accelerators that share each layer")
    pipeline_parallel_size: int = Field(1, ge=1, description="stages the layers are cut into")
    max_model_len: int | None = Field(None, ge=1, description="longest prompt and answer together, in tokens")
    port: Port = Field(8100, description="the engine's own port; reached from its machine only")
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
        "29500 (TensorRT-LLM) when left out",
    )
    group_port: Port = Field(29400, description="where the supervisors of the ranks meet, on the first machine")
    collective_port: Port = Field(29417, description="where the ranks of the collective meet, on the first machine")

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


class GatewaySettings(Model):
    """What the outside reaches."""

    port: Port = Field(8000, description="the port of the URL")
    url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._/-]*)?$",
        description="the URL from outside, such as https://host:24516, where somebody forwards it to gateway.port",
    )
    allowed_cidrs: tuple[str, ...] = Field(
        ("0.0.0.0/0",), description="who may use the URL; the key is asked for in any case"
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)


class MirrorSettings(OutsideSettings):
    """Where machines fetch from when the usual places are slow or out of reach."""

    pip: Url | None = Field(None, description="Python package index, such as https://mirror/simple")
    apt: Url | None = Field(
        None,
        description="archive of Debian or Ubuntu for images built on machines, such as http://mirrors.aliyun.com/ubuntu",
    )
    registry_mirrors: tuple[Url, ...] = Field((), description="Docker registry mirrors (URLs)")
    insecure_registries: tuple[HostPort, ...] = Field((), description="registries spoken to without TLS: host:port")


class Settings(Model):
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
    serving: ServingSettings
    images: ImageSettings = ImageSettings()  # type: ignore[call-arg]  # every field has a default
    gateway: GatewaySettings = GatewaySettings()  # type: ignore[call-arg]  # every field has a default
    webui: WebUiSettings = WebUiSettings()  # type: ignore[call-arg]  # every field has a default
    mirrors: MirrorSettings = MirrorSettings()  # type: ignore[call-arg]  # every field has a default
    _secrecy: Secrecy = PrivateAttr(default_factory=Secrecy)

    @model_validator(mode="after")
    def _executor_is_chosen(self) -> Self:
        if self.serving.executor is None:
            # Here, once, so that whatever reads it finds it said.
            chosen = self.serving.model_copy(update={"executor": choose_executor(self)})
            object.__setattr__(self, "serving", chosen)
        return self

    @model_validator(mode="after")
    def _words_say_one_thing(self) -> Self:
        for mistake in (*argument_mistakes(self), *device_mistakes(self)):
            raise mistake
        return self

    @model_validator(mode="after")
    def _room_is_whole(self) -> Self:
        if refusal := next(refusals(self), None):
            raise ValueError(refusal)
        return self

    @model_validator(mode="after")
    def _repositories_are_listed(self) -> Self:
        if refusal := next(more.refusals(self), None):
            raise ValueError(refusal)
        return self

    @model_validator(mode="after")
    def _platform_has_its_own(self) -> Self:
        hosts = self.platform == "hosts"
        for name, given, wanted in (
            ("machines", bool(self.machines), hosts),
            ("storage.server", self.storage.server is not None, hosts and self.storage.path is None),
            ("cloud", self.cloud is not None, not hosts),
        ):
            if wanted and not given:
                raise ValueError(f"{name}: is missing; platform {self.platform} needs it ({_example(name)})")
            if given and not wanted and not (hosts and name == "storage.server"):
                raise ValueError(
                    f"{name}: belongs to platform {'hosts' if not hosts else 'alicloud'}, and this stack's platform is "
                    f"{self.platform}; take it out"
                )
        return self

    @model_validator(mode="after")
    def _reached_as_the_platform_can(self) -> Self:
        if self.platform == "alicloud":
            if self.ssh.agent:
                raise ValueError(
                    "ssh.agent: platform alicloud gives the machines a key pair made from ssh.privateKeyFile; name "
                    "that file instead"
                )
            if self.ssh.proxy_jump:
                raise ValueError(
                    "ssh.proxyJump: platform alicloud gives each machine an address of its own, which cloud.adminCidrs "
                    "may reach; take it out"
                )
        if self.accelerator.kind != "nvidia" and (given := next((m.name for m in self.machines if m.hcas), None)):
            raise ValueError(
                f"machines: {given}'s hcas are RDMA devices for NCCL, and accelerator.kind is {self.accelerator.kind}; "
                "take them out"
            )
        return self

    @model_validator(mode="after")
    def _machines_differ(self) -> Self:
        for label, values in (
            ("name", [m.name for m in self.machines]),
            ("address", [f"{m.address}:{m.port}" for m in self.machines]),
            ("privateAddress", [m.peer_address for m in self.machines]),
        ):
            value, count = next(iter(Counter(values).most_common(1)), ("", 0))
            if count > 1:
                raise ValueError(
                    f"machines: {count} machines have the same {label} {value}; give each its own, or remove one"
                )
        return self

    @model_validator(mode="after")
    def _every_accelerator_used(self) -> Self:
        tp, pp = self.serving.tensor_parallel_size, self.serving.pipeline_parallel_size
        if tp * pp != self.world_size:
            raise self._nearest(tp, pp)
        return self

    @model_validator(mode="after")
    def _engine_runs_so(self) -> Self:
        serving = self.serving
        engine = find_engine(serving.engine, serving.executor)
        args = ServeArgs(self.model.name, serving.tensor_parallel_size, serving.pipeline_parallel_size)
        try:
            engine.check(args, self.accelerators)
        except Refusal as refusal:
            if refusal.code == "uneven_machines" and "executor" not in [change.setting for change in refusal.changes]:
                raise self._uneven(refusal) from None
            rented = self.cloud is not None
            known = {f"serving.{field.alias}" for field in ServingSettings.model_fields.values()}
            paths = {setting_path(change.setting, rented=rented): change.value for change in refusal.changes}
            changes = {path: value for path, value in paths.items() if path in known}
            raise Mistake(in_settings(refusal, rented=rented), changes) from None
        if self.accelerator.kind != "cpu" and (self.accelerator.kind == "ascend") != serving.engine.endswith(
            ("-ascend", "-mindspore")
        ):
            raise ValueError(
                f"serving.engine: {serving.engine} does not run on accelerator.kind {self.accelerator.kind}; "
                "vllm-ascend and vllm-mindspore are for ascend, the others for nvidia"
            )
        return self

    @model_validator(mode="after")
    def _image_is_of_the_engine(self) -> Self:
        given = (self.images.engine or "").partition("@")[0].partition(":")[0]
        for engine, image in versions.ENGINE_IMAGES.items():
            if self.runtime == "docker" and given == image.partition(":")[0] and engine != self.serving.engine:
                raise ValueError(
                    f"images.engine: {self.images.engine} is {engine}'s, and serving.engine is {self.serving.engine}; "
                    f"take it out, which means {self.own_image}, or set serving.engine to {engine}"
                )
        return self

    @model_validator(mode="after")
    def _arguments_say_nothing_that_settings_say(self) -> Self:
        if refusal := next(serving_rules.refusals(self), None):
            raise ValueError(refusal)
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if refusal := next(ports.conflicts(self), None):
            raise ValueError(refusal)
        return self

    def keep_secret(self, secrecy: Secrecy) -> None:
        """Notes which of these settings were given as secrets."""
        self._secrecy = secrecy

    @property
    def secrecy(self) -> Secrecy:
        """Which of these settings were given as secrets."""
        return self._secrecy

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

    def _uneven(self, refusal: Refusal) -> Mistake:
        """Machines with different numbers of accelerators, and a launcher that can't: as many of each."""
        least = min(self.accelerators)
        changes: dict[str, object] = {}
        for number, (count, devices) in enumerate(zip(self.accelerators, self.devices, strict=True)):
            if count > least:
                changes[f"machines[{number}].accelerators"] = least
                if devices:
                    changes[f"machines[{number}].devices"] = list(devices[:least])
        return Mistake(
            f"machines: {refusal.reason}; set accelerators of each machine to {least}, with pipelineParallelSize or "
            "tensorParallelSize for them", changes,
        )  # fmt: skip

    def _nearest(self, tp: int, pp: int) -> Mistake:
        """The split is none of these machines; the nearest that is, and that their launcher can start."""
        engine = find_engine(self.serving.engine, self.serving.executor)

        def check(tensor: int, pipeline: int) -> None:
            engine.check(ServeArgs(self.model.name, tensor, pipeline), self.accelerators)

        works = nearest_split(tp, pp, self.world_size, check)
        if works is None:
            works = nearest_split(tp, pp, self.world_size) or (1, self.world_size)
            try:
                check(*works)
            except Refusal as refusal:
                if refusal.code == "uneven_machines":
                    return self._uneven(refusal)
        return Mistake(
            f"serving: tensorParallelSize {tp} x pipelineParallelSize {pp} = {tp * pp}, but the machines have "
            f"{self.world_size} accelerators; nearest that works: tensorParallelSize {works[0]}, pipelineParallelSize "
            f"{works[1]}", {"serving.tensorParallelSize": works[0], "serving.pipelineParallelSize": works[1]},
        )  # fmt: skip


def _example(name: str) -> str:
    return {
        "machines": "a list of name and address",
        "storage.server": "the NFS server's name or address; or storage.path, if every machine has the folder",
        "cloud": "at least region, candidates, machines and adminCidrs; see Pulumi.dev.yaml",
    }[name]
