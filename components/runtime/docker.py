"""Hosts that run containers: host network, shared IPC, labelled, restarted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pulumi
import pulumi_docker as docker

from components.host import (
    DRIVER_RULES,
    AcceleratorAccess,
    Host,
    HostArgs,
    Mount,
    Programs,
    ProgramsArgs,
    Running,
    Workload,
    ascend_container_access,
    ascend_proof,
    nvidia_container_access,
    nvidia_driver,
    nvidia_proof,
    storage,
    tuning,
)
from components.images import complete_image
from components.machine import BASE, PACKAGE_MANAGER, PIP, Installation, Machine, Stage, run_stages
from components.partial_creation import PARTIALLY_CREATED
from components.runtime.process import run_process

FILES = Path(__file__).parent / "files"
PROJECT = Path(__file__).parents[2]
KEPT = tuple(
    f"CAP_{name}"
    for name in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
)
"""Of Docker's default capabilities those that root in a container needs for files and processes that aren't root's; it
has no raw sockets, device nodes, audit or capabilities to hand on."""
NO_MORE = ("no-new-privileges", "label=disable")
"""The second is what Docker itself adds for host IPC; named, since the plugin would replace what differs."""


class DockerHost(Host):
    """A machine of the deployment's own: drivers and Docker are installed, kernel and limits tuned, storage mounted.

    Attributes:
        provider: of this machine's containers; None on a machine that only downloads.
    """

    has_containers = True
    step_files: ClassVar[Mapping[str, Path]] = {"runtime.sh": FILES / "docker.sh"}
    provider: docker.Provider | None = None

    @staticmethod
    def installation(folder: str = BASE) -> Installation:
        """As root, below /var/lib/tandem; `folder` is for logins without root."""
        return Installation()

    def _stages(self) -> list[Stage]:
        machine, args, kind = self.machine, self.args, self.accelerator.kind
        stages = [tuning()]
        if kind == "nvidia":
            stages.append(nvidia_driver(args.accelerator))
        stages += [_packages(args), storage(args)]
        if kind == "nvidia":
            # The toolkit restarts Docker: nothing may pull an image or run a container before.
            stages += [_toolkit(args), nvidia_proof(args.accelerator)]
        elif kind == "ascend":
            stages.append(ascend_proof(args.accelerator, several=self._several))
        if args.containers and machine.user != "root":
            stages.append(Stage(FILES / "docker_access.sh", {"LOGIN": machine.user, "SOCKET": _socket(machine)}))
        return stages

    def _access(self, found: pulumi.Output[dict[str, str]]) -> AcceleratorAccess:
        if self.accelerator.kind == "nvidia":
            return nvidia_container_access(found)
        if self.accelerator.kind == "ascend":
            return ascend_container_access(found, several=self._several)
        return AcceleratorAccess()

    @property
    def _several(self) -> bool:
        """The deployment has other machines."""
        return self.args.peer != self.machine.peer_address

    def _connect(self, name: str) -> None:
        machine, args = self.machine, self.args
        if not args.containers:
            return
        # The provider runs `docker` there as the login, and the path in its URL is the socket that it is given.
        path = "" if machine.user == "root" else _socket(machine)
        self.provider = docker.Provider(
            f"{name}-docker",
            host=pulumi.Output.concat("ssh://", machine.user, "@", machine.address, f":{machine.port}{path}"),
            ssh_opts=list(machine.ssh_options),
            # The packages stage has seen the daemon answer; another check on each run would be a remote call.
            disable_docker_daemon_check=True,
            registry_auth=[
                docker.ProviderRegistryAuthArgs(
                    address=login.provider_address, username=login.username, password=login.password
                )
                for login in args.egress.logins
            ]
            or None,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.prepared]),
        )

    def prepare(self, name: str, args: ProgramsArgs) -> Programs:
        """See `Host`. The image stays there when the stack is destroyed, since others may use it."""
        image = docker.RemoteImage(
            f"{name}-image",
            name=args.image,
            keep_locally=True,
            opts=self._owned(pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="2h", update="2h"))),
        )
        if args.image_requirements is None:
            return Programs(image.image_id, done=image)
        stages = []
        if args.accelerated and self.accelerator.kind == "nvidia":
            stages.append(_fits(args.image, image.image_id))
        stages.append(
            complete_image(
                image=args.image,
                image_id=image.image_id,
                requirements=args.image_requirements,
                args=args.build,
                mounts=[str(mount) for mount in args.mounts],
                variables=args.variables,
            )
        )
        step = run_stages(f"{name}-whole", machine=self.machine, stages=stages, after=[self.prepared], parent=self)
        return Programs(
            # A step that says nothing of an image has built none.
            pulumi.Output.all(step.result, image.image_id).apply(lambda both: str(both[0].get("image", both[1]))),
            step.result.apply(lambda found: found.get("base", args.image)),
            step.done,
        )

    def run(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """See `Host`. A container is replaced after the old one is gone: both want the same name, ports and GPUs."""
        access = self.access if workload.accelerated else AcceleratorAccess()
        environment = {**access.environment, **workload.environment}
        container = docker.Container(
            name,
            name=f"{self.machine.stack}-{name}",
            image=workload.image,
            entrypoints=list(workload.entrypoint),
            command=workload.command,
            envs=[
                f"{key}={value}" if isinstance(value, str) else pulumi.Output.concat(key, "=", value)
                for key, value in sorted(environment.items())
            ],
            uploads=[_upload(path, content) for path, content in sorted(workload.files.items())],
            volumes=[
                docker.ContainerVolumeArgs(
                    host_path=mount.source, container_path=mount.target, read_only=mount.read_only
                )
                for mount in (*workload.mounts, *access.mounts)
            ],
            labels=[docker.ContainerLabelArgs(label="tandem.stack", value=self.machine.stack)],
            network_mode="host",
            ipc_mode="host",
            pid_mode="host" if workload.sees_processes else None,
            restart="unless-stopped",
            # Not `gpus`: the plugin takes a list's quotes off, and Docker then reads its second GPU as a count.
            device_requests=None if access.gpus is None else access.gpus.apply(_requests),
            devices=None if access.devices is None else access.devices.apply(_devices),
            user=f"{workload.user}:{workload.user}" if workload.user else None,
            capabilities=_capabilities(workload.user, access.capabilities),
            # A user's program that may open port 80 has that by its file, which the option would take away.
            security_opts=None if workload.user else list(NO_MORE),
            ulimits=[
                docker.ContainerUlimitArgs(name="memlock", soft=self.locked_memory, hard=self.locked_memory),
                docker.ContainerUlimitArgs(name="nofile", soft=self.open_files, hard=self.open_files),
            ],
            log_driver="json-file",
            log_opts={"max-size": "50m", "max-file": "3"},
            destroy_grace_seconds=30,
            opts=pulumi.ResourceOptions.merge(opts, self._owned(pulumi.ResourceOptions(delete_before_replace=True))),
        )
        return Running(container.name, container.id, container)

    def run_beside(self, name: str, workload: Workload, *, opts: pulumi.ResourceOptions) -> Running:
        """See `Host`: a unit of systemd."""
        return run_process(self, name, workload, AcceleratorAccess(), opts=opts)

    def run_options(self, mounts: Sequence[Mount]) -> pulumi.Output[list[str]]:
        """See `Host`: words of `docker run`."""
        access = self.access
        words = ["--cap-drop=ALL", *(f"--cap-add={capability}" for capability in (*KEPT, *access.capabilities))]
        words += [f"--security-opt={option}" for option in NO_MORE]
        words += [f"--volume={mount}" for mount in (*access.mounts, *mounts)]
        devices: pulumi.Input[list[str]] = access.devices if access.devices is not None else []
        return pulumi.Output.all(gpus=access.gpus, devices=devices, locked=self.locked_memory).apply(
            lambda known: [
                *([] if known["gpus"] is None else [_gpus_option(known["gpus"])]),
                *words,
                f"--ulimit=memlock={known['locked']}",
                *(f"--device={device}" for device in known["devices"]),
            ]
        )

    def _owned(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        """Options of what Docker's provider makes here: it goes with the machine, and comes anew with another."""
        return pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                provider=self.provider,
                deleted_with=self.machine.owner,
                replacement_trigger=self.machine.identity,
                replace_on_changes=PARTIALLY_CREATED,
            ),
        )


def _packages(args: HostArgs) -> Stage:
    """Docker, unless the machine only downloads, and the few programs that later stages call."""
    return Stage(
        FILES / "packages.sh",
        {
            "CONTAINERS": "yes" if args.containers else "no",
            "FIREWALL": "yes" if args.firewall else "no",
            "DOCKER_PACKAGES": args.docker_packages,
            "REGISTRY_MIRRORS": " ".join(args.registry_mirrors),
            "INSECURE_REGISTRIES": " ".join(args.insecure_registries),
        },
        {**PACKAGE_MANAGER, "daemon_json.py": FILES / "daemon_json.py"},
        timeout=1800,
    )


def _toolkit(args: HostArgs) -> Stage:
    """NVIDIA's container toolkit."""
    return Stage(
        FILES / "nvidia_toolkit.sh",
        {
            "TOOLKIT_REPOSITORY": args.accelerator.toolkit_repository,
            "NVITOP": "yes" if args.accelerator.nvitop else "",
            "PIP_INDEX": args.pip_index,
        },
        {**PACKAGE_MANAGER, **PIP, "nvitop.lock": FILES / "nvitop.lock"},
        timeout=1800,
    )


def _fits(image: str, image_id: pulumi.Input[str]) -> Stage:
    """Refuses an image that the driver is too old for on these GPUs."""
    return Stage(
        FILES / "image_fits.sh",
        {"IMAGE": image, "IMAGE_ID": image_id},
        {"image_fits.py": FILES / "image_fits.py", **DRIVER_RULES},
        timeout=180,
    )


def _socket(machine: Machine) -> str:
    return f"/run/{machine.stack}-docker.sock"


def _capabilities(user: str, more: Sequence[str]) -> docker.ContainerCapabilitiesArgs:
    return docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=[*(["CAP_NET_BIND_SERVICE"] if user else KEPT), *more])


def _upload(path: str, content: pulumi.Input[str] | Path) -> docker.ContainerUploadArgs:
    """A file of a container. One of the project is read by Docker's provider, which runs in the project's folder."""
    if not isinstance(content, Path):
        return docker.ContainerUploadArgs(file=path, content=content)
    return docker.ContainerUploadArgs(
        file=path,
        source=content.relative_to(PROJECT).as_posix(),
        source_hash=hashlib.sha256(content.read_bytes()).hexdigest(),
    )


def _requests(gpus: list[str]) -> list[docker.ContainerDeviceRequestArgs]:
    return [
        docker.ContainerDeviceRequestArgs(
            driver="nvidia", capabilities=["gpu"], device_ids=gpus or None, count=None if gpus else -1
        )
    ]


def _gpus_option(gpus: list[str]) -> str:
    """An option of `docker run`, which reads it as a line of CSV: a list stands in quotes."""
    return f'--gpus="device={",".join(gpus)}"' if gpus else "--gpus=all"


def _devices(paths: list[str]) -> list[docker.ContainerDeviceArgs]:
    return [docker.ContainerDeviceArgs(host_path=path, container_path=path) for path in paths]
