"""The composition: read this file and know the deployment.

machines -> hosts (Docker, tuning, storage) -> weights -> Ray -> engine -> gateway -> a completion
"""

from __future__ import annotations

import pulumi

from components.containers import pull_image
from components.gateway import Gateway
from components.host import Host, HostArgs
from components.models import Weights, WeightsArgs
from components.ray import RayCluster
from components.remote import Answer, GeneratedSecret, Lease, Machine
from components.serving import Vllm, VllmArgs
from stacks import versions
from stacks.platforms import hosts as hosts_platform
from stacks.schema import Settings

CLIENTS = {
    "huggingface": f"huggingface_hub=={versions.HUGGINGFACE_HUB}",
    "modelscope": f"modelscope=={versions.MODELSCOPE}",
    "path": "",
}


def deploy(
    settings: Settings, *, api_key: pulumi.Output[str] | None, hub_token: pulumi.Output[str] | None
) -> dict[str, pulumi.Output[object]]:
    """Declares one deployment.

    Args:
        settings: checked settings.
        api_key: the user's key, a secret; None to have one made.
        hub_token: the model hub's access token, a secret.

    Returns:
        The stack's outputs. `apiUrl` exists only after a completion came back through it.
    """
    stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    machines = hosts_platform.machines(settings)
    weights_args = WeightsArgs(
        source=settings.model.source,
        id=settings.model.id,
        revision=settings.model.revision,
        endpoint=settings.model.endpoint,
        client=CLIENTS[settings.model.source],
        mount_point=settings.storage.mount_point,
        pip_index=settings.mirrors.pip,
        check=settings.model.check,
    )
    owned = [_lease(settings, stack, machine, weights_args, first=machine is machines[0]) for machine in machines]
    hosts = [_host(settings, stack, machine, owned) for machine in owned]
    head = hosts[0]

    weights = Weights(
        "weights",
        writer=head.machine,
        stack=stack,
        args=weights_args,
        token=hub_token,
        after=[head.storage],
    )
    images = [
        pull_image(
            f"{host.machine.name}-engine-image", host=host, image=settings.images.engine, opts=pulumi.ResourceOptions()
        ).image_id
        for host in hosts
    ]
    environment = [_network(host) for host in hosts]
    cluster = (
        RayCluster(
            "ray",
            hosts=hosts,
            accelerators=[settings.accelerators(m) for m in settings.machines],
            images=images,
            stack=stack,
            environment=[{**network, **settings.serving.environment} for network in environment],
            # The workers read the weights too; the storage is mounted before Docker is asked for a container.
            mounts=[*settings.images.mounts, f"{settings.storage.mount_point}:{settings.storage.mount_point}"],
            after=[host.storage for host in hosts],
        )
        if settings.serving.executor == "ray"
        else None
    )
    engine = Vllm(
        "vllm",
        hosts=hosts,
        images=images,
        stack=stack,
        args=VllmArgs(
            served_name=settings.model.name,
            tensor_parallel_size=settings.serving.tensor_parallel_size,
            pipeline_parallel_size=settings.serving.pipeline_parallel_size,
            max_model_len=settings.serving.max_model_len,
            port=settings.serving.port,
            arguments=settings.serving.arguments,
            environment=settings.serving.environment,
            ready_timeout=settings.serving.ready_timeout,
        ),
        model=weights.folder,
        environment=environment,
        mounts=[*settings.images.mounts, f"{settings.storage.mount_point}:{settings.storage.mount_point}:ro"],
        cluster=cluster,
        after=[host.storage for host in hosts],
    )
    key = api_key if api_key is not None else GeneratedSecret("api-key").value
    gateway = Gateway(
        "gateway",
        host=head,
        image=pull_image(
            "gateway-image", host=head, image=settings.images.gateway, opts=pulumi.ResourceOptions()
        ).image_id,
        stack=stack,
        key=key,
        port=settings.gateway.port,
        engine_port=settings.serving.port,
        allowed_cidrs=settings.gateway.allowed_cidrs,
        mounts=settings.images.mounts,
    )
    answer = Answer(
        "answer",
        url=gateway.url,
        model=settings.model.name,
        key=key,
        served_by=pulumi.Output.concat(gateway.version, "-", engine.version),
        after=[engine],
    )
    return _outputs(settings, owned, answer, key)


def _lease(settings: Settings, stack: str, machine: Machine, weights: WeightsArgs, *, first: bool) -> Machine:
    """Takes a machine; the one that wrote the weights is the one that may delete them."""
    leave: dict[str, pulumi.Input[str]] = {"MOUNT_POINT": settings.storage.mount_point}
    if first and weights.source != "path":
        leave["KEPT_WEIGHTS" if settings.model.keep else "DELETE_WEIGHTS"] = weights.folder
    return Lease(f"{machine.name}-lease", machine=machine, stack=stack, leave=leave).machine


def _host(settings: Settings, stack: str, machine: Machine, machines: list[Machine]) -> Host:
    peer = next((m for m in machines if m is not machine), machine)
    return Host(
        machine.name,
        machine=machine,
        stack=stack,
        args=HostArgs(
            peer=peer.peer_address,
            storage_server=settings.storage.server,
            storage_export=settings.storage.export,
            mount_point=settings.storage.mount_point,
            mount_options=settings.storage.options,
            registry_mirrors=settings.mirrors.registry_mirrors,
            insecure_registries=settings.mirrors.insecure_registries,
        ),
    )


def _network(host: Host) -> dict[str, pulumi.Input[str]]:
    """What every engine process must know of its machine: own address, and the interface to the peers."""
    return {
        "VLLM_HOST_IP": host.machine.peer_address,
        "GLOO_SOCKET_IFNAME": host.nic,
        "NCCL_SOCKET_IFNAME": host.nic,
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _outputs(
    settings: Settings, machines: list[Machine], answer: Answer, key: pulumi.Output[str]
) -> dict[str, pulumi.Output[object]]:
    name = settings.model.name
    body = f'{{"model": "{name}", "messages": [{{"role": "user", "content": "Who are you?"}}]}}'
    curl = pulumi.Output.concat(
        "curl ", answer.url, "/chat/completions -H 'Content-Type: application/json' ",
        """-H "Authorization: Bearer $(pulumi stack output apiKey --show-secrets)" """, f"-d '{body}'",
    )  # fmt: skip
    ssh = {m.name: f"ssh -i {settings.ssh.private_key_file} -o UserKnownHostsFile={settings.ssh.known_hosts_file} "
           f"-p {m.port} {m.user}@{s.address}" for m, s in zip(machines, settings.machines, strict=True)}  # fmt: skip
    return {
        "apiUrl": answer.url,
        "apiKey": key,
        "model": pulumi.Output.from_input(name),
        "machines": pulumi.Output.from_input(ssh),
        "curl": curl,
    }
