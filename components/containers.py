"""Containers as every part of a deployment runs them: host network, shared IPC, labelled, restarted."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from components.half_made import HALF_MADE
from components.host import Host
from components.host.accelerators import FILES, ContainerAccess
from components.machine import RemoteStep
from components.workload import Workload


def run_container(
    name: str, *, host: Host, stack: str, args: Workload, opts: pulumi.ResourceOptions
) -> docker.Container:
    """Declares a container on a host; `opts` gives parent and order, provider and owner are the host's.

    It is replaced after the old one is gone: both would want the same name, ports and accelerators.
    """
    access = host.access if args.accelerated else ContainerAccess()
    environment = {**access.environment, **args.environment}
    if args.accelerated:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=host.ready))
    return docker.Container(
        name,
        name=f"{stack}-{name}",
        image=args.image,
        entrypoints=list(args.entrypoint),
        command=args.command,
        envs=[pulumi.Output.concat(key, "=", value) for key, value in sorted(environment.items())],
        uploads=[
            docker.ContainerUploadArgs(file=path, content=content) for path, content in sorted(args.files.items())
        ],
        volumes=[_volume(mount) for mount in (*args.mounts, *access.mounts)],
        labels=[docker.ContainerLabelArgs(label="tandem.stack", value=stack)],
        network_mode="host",
        ipc_mode="host",
        pid_mode="host" if args.sees_processes else None,
        restart="unless-stopped",
        # Not `gpus`: the plugin takes a list's quotes off, and Docker then reads its second GPU as a count.
        device_requests=None if access.gpus is None else access.gpus.apply(_requests),
        devices=None if access.devices is None else access.devices.apply(_devices),
        capabilities=docker.ContainerCapabilitiesArgs(adds=list(access.capabilities)) if access.capabilities else None,
        ulimits=[
            docker.ContainerUlimitArgs(name="memlock", soft=host.locked_memory, hard=host.locked_memory),
            docker.ContainerUlimitArgs(name="nofile", soft=host.open_files, hard=host.open_files),
        ],
        log_driver="json-file",
        log_opts={"max-size": "50m", "max-file": "3"},
        destroy_grace_seconds=30,
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                provider=host.docker,
                deleted_with=host.machine.owner,
                delete_before_replace=True,
                replacement_trigger=host.machine.identity,
                replace_on_changes=HALF_MADE,
            ),
        ),
    )


def pull_image(name: str, *, host: Host, image: str, opts: pulumi.ResourceOptions) -> docker.RemoteImage:
    """Has a host pull an image; it stays there when the stack is destroyed, since others may use it."""
    return docker.RemoteImage(
        name,
        name=image,
        keep_locally=True,
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                provider=host.docker,
                deleted_with=host.machine.owner,
                replacement_trigger=host.machine.identity,
                replace_on_changes=HALF_MADE,
                custom_timeouts=pulumi.CustomTimeouts(create="2h", update="2h"),
            ),
        ),
    )


def fitting_image(name: str, *, host: Host, stack: str, image: str) -> pulumi.Output[str]:
    """The id of an image that computes on this host, pulled; refused where the driver is too old for it on its GPUs."""
    pulled = pull_image(name, host=host, image=image, opts=pulumi.ResourceOptions())
    if host.accelerator.kind != "nvidia":
        return pulled.image_id
    step = RemoteStep(
        f"{name}-fits",
        machine=host.machine,
        stack=stack,
        script=FILES / "image_fits.sh",
        files={file: FILES / file for file in ("image_fits.py", "drivers.py")},
        environment={"IMAGE": image, "IMAGE_ID": pulled.image_id},
        timeout=180,
        after=host.ready,
        parent=host,
    )
    return step.result.apply(lambda found: found.get("image", ""))


def _requests(gpus: str) -> list[docker.ContainerDeviceRequestArgs]:
    ids = None if gpus == "all" else gpus.split(",")
    return [
        docker.ContainerDeviceRequestArgs(
            driver="nvidia", capabilities=["gpu"], device_ids=ids, count=-1 if ids is None else None
        )
    ]


def _devices(paths: list[str]) -> list[docker.ContainerDeviceArgs]:
    return [docker.ContainerDeviceArgs(host_path=path, container_path=path) for path in paths]


def _volume(mount: str) -> docker.ContainerVolumeArgs:
    source, target, *mode = mount.split(":")
    return docker.ContainerVolumeArgs(host_path=source, container_path=target, read_only=mode == ["ro"])
