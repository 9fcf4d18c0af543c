"""The composition: read this file and know the deployment.

alicloud: network, storage -> fetcher -> weights -> machines -> hosts -+
hosts:    machines that exist -> hosts -> weights ---------------------+-> Ray -> engine -> gateway -> a completion
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from components.gateway import Answer
from components.host import (
    AcceleratorArgs,
    CollectiveCheck,
    Egress,
    FirewallArgs,
    Host,
    HostArgs,
    Mount,
    Node,
    addresses_of,
    check_weights,
    close_inner_ports,
)
from components.machine import GeneratedSecret, Lease, Machine
from components.ray import RayCluster
from components.runtime import find_runtime
from components.serving import Replica, find_engine
from components.webui import Login, WebUi, WebUiArgs
from components.weights import EarlyStart, Weights
from stacks import planning
from stacks.egress import Passwords, egress_of
from stacks.gateway import Front, GatewaySecrets, make_gateway, scheme
from stacks.image_disk import image_gib
from stacks.measurements import measure
from stacks.monitoring import behind_gateway, make_monitoring, monitoring_password
from stacks.platforms import hosts as hosts_platform
from stacks.platforms.alicloud import rent
from stacks.platforms.ssh_agent import refuse_dead_agent
from stacks.programs import engine_programs, same_programs, webui_programs
from stacks.settings import ports
from stacks.settings.rules.firewall import public_peers
from stacks.settings.stack import Settings
from stacks.settings.weights import all_weights, fetched_folders, placed_arguments
from stacks.team import make_team

StorageAt = tuple[pulumi.Input[str], str]
"""NFS server and exported folder."""


async def deploy(
    settings: Settings,
    *,
    api_key: pulumi.Output[str] | None,
    api_keys: Mapping[str, pulumi.Output[str]] | None = None,
    tls_key: pulumi.Output[str] | None = None,
    team_key: pulumi.Output[str] | None = None,
    team_salt_key: pulumi.Output[str] | None = None,
    hub_token: pulumi.Output[str] | None,
    webui_password: pulumi.Output[str] | None = None,
    login_password: pulumi.Output[str] | None = None,
    alert_receivers: Mapping[str, pulumi.Output[str]] | None = None,
    registry_password: pulumi.Output[str] | None = None,
    proxy_password: pulumi.Output[str] | None = None,
    key_passphrase: pulumi.Output[str] | None = None,
    sudo_password: pulumi.Output[str] | None = None,
) -> dict[str, pulumi.Output[object]]:
    """Declares one deployment.

    Args:
        settings: checked settings.
        api_key: the user's key, a secret; None to have one made.
        api_keys: more of the user's keys by name, secrets.
        tls_key: of the user's own certificate, a secret; None without one.
        team_key: LiteLLM's master key, a secret; None to have one made.
        team_salt_key: what LiteLLM encrypts with, a secret; None to have one made.
        hub_token: the model hub's access token, a secret.
        webui_password: of the page's first account, a secret; None to have one made.
        login_password: of monitoring's login, a secret; None to have one made.
        alert_receivers: where alerts go, by name, secrets.
        registry_password: of the registries' logins, a secret; None without any.
        proxy_password: of the user whom the proxies' URLs name, a secret; None without any.
        key_passphrase: of the SSH key, a secret; None for a key without.
        sudo_password: of the login on the machines, a secret; None where sudo asks for none.

    Returns:
        The stack's outputs. `apiUrl` exists only after a completion came back through it.
    """
    kind = find_engine(settings.serving.engine, settings.serving.executor)
    # Before any resource: what can't work is refused here.
    refuse_dead_agent()
    plan = planning.plan_for(settings)
    planned = planning.announce(settings, plan)
    if planned and settings.model.more:
        pulumi.log.info("the plan counts the model alone, and not the memory of what model.more lists beside it")
    settings.secrecy.watch()
    stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    passwords = Passwords(registry_password, proxy_password)
    runtime = find_runtime(settings.runtime)
    if settings.platform == "alicloud":
        cloud = await rent(settings, stack)
        storage: StorageAt = (cloud.storage.server, "/")
        egress = egress_of(settings, passwords, [cloud.fetcher.peer_address, cloud.storage.server])
        fetcher = _host(settings, cloud.fetcher, cloud.fetcher, storage, egress=egress, containers=False, writes=True)
        weights, *more = _weights(settings, fetcher, hub_token)
        # No GPU is paid for while a model downloads.
        early = _early_start(settings, fetcher)
        machines = cloud.machines(after=[early] if early else [weights, *more])
        cloud.rest(weights.folder, after=[weights, *more])
        hosts = _hosts(settings, machines, storage, passwords)
        ssh: dict[str, pulumi.Input[str]] = {machine.name: cloud.ssh(machine) for machine in machines}
    else:
        storage = (settings.storage.server or "", settings.storage.export)
        found = hosts_platform.machines(
            settings,
            stack,
            runtime.installation(settings.native.folder),
            passphrase=key_passphrase,
            sudo_password=sudo_password,
        )
        machines = [_lease(settings, machine, writer=not number) for number, machine in enumerate(found)]
        hosts = _hosts(settings, machines, storage, passwords)
        weights, *more = _weights(settings, hosts[0], hub_token)
        ssh = {machine.name: hosts_platform.ssh_command(settings.ssh, machine) for machine in settings.machines}
    head = hosts[0]
    mounts = [Mount.parse(text) for text in settings.images.mounts]
    programs = [host.prepare(f"{host.machine.name}-engine", engine_programs(settings, kind)) for host in hosts]
    # Inner ports are closed before anything listens that would run whatever it is sent. One resource stands for all
    # machines' here: the SDK walks each container's dependencies, and theirs (docs/decisions/0017).
    proven, engine_image = same_programs(hosts, programs, after=_inner_ports(settings, hosts))
    nodes = [
        Node(host, count, ready.id, kind.environment(host.machine.peer_address, host.nic, count))
        for host, count, ready in zip(hosts, settings.accelerators, programs, strict=True)
    ]
    shared: list[pulumi.Resource] = [*more]
    if settings.storage.path:
        shared += check_weights(hosts, weights.folder)
    proven += _collective(settings, nodes, mounts, after=proven)
    cluster = (
        RayCluster(
            "ray",
            nodes=nodes,
            resource=kind.ray_resource,
            environment=settings.serving.environment,
            # The workers read the weights too; the storage is mounted before Docker is asked for a container.
            mounts=[*mounts, Mount(settings.storage.folder, settings.storage.folder)],
            ports=ports.ray_ports(settings),
            after=proven,
        )
        if kind.ray_resource
        else None
    )
    engine = Replica(
        "engine",
        engine=kind,
        nodes=nodes,
        args=replace(settings.serve_args, arguments=placed_arguments(settings)),
        model=weights.folder,
        mounts=[*mounts, Mount(settings.storage.folder, settings.storage.folder, read_only=True)],
        cluster=cluster,
        group_port=settings.serving.group_port,
        after=[*proven, *shared],
    )
    login = monitoring_password(settings, login_password)
    secrets = GatewaySecrets(api_key, api_keys or {}, tls_key, login, team_key, team_salt_key)
    front = make_gateway(settings, host=head, secrets=secrets, task=engine.task, monitored=behind_gateway(settings))
    answer = Answer(
        "answer",
        url=front.gateway.url,
        model=settings.model.name,
        key=front.key,
        authority=front.authority,
        task=engine.task,
        trigger=pulumi.Output.concat(front.gateway.version, "-", engine.version),
        # Where a host stands between, no address of a machine leads anywhere from here.
        through=None if settings.gateway.url else head.machine.jump,
        after=[engine],
    )
    page = _webui(settings, front, password=webui_password, after=answer) if settings.webui.enabled else {}
    team = make_team(settings, plan, front, secrets, task=engine.task) if settings.gateway.team.enabled else {}
    monitored = make_monitoring(
        settings,
        plan,
        nodes=nodes,
        front=front,
        engine=engine,
        password=login,
        receivers=alert_receivers or {},
        after=answer,
    )
    measured = measure(settings, plan, head=head, engine=engine, answer=answer)
    outputs = {
        **_outputs(settings, ssh, answer, front, engine.task),
        **engine_image,
        **page,
        **team,
        **monitored,
        **planned,
        **measured,
    }
    return {name: settings.secrecy.hidden(value) for name, value in outputs.items()}


def _collective(
    settings: Settings, nodes: Sequence[Node], mounts: Sequence[Mount], *, after: Sequence[pulumi.Resource]
) -> list[pulumi.Resource]:
    """Ranks and accelerators are proven to work together before a weight is loaded."""
    if not settings.collective:
        return []
    check = CollectiveCheck(
        "collective",
        nodes=nodes,
        mounts=mounts,
        port=settings.serving.collective_port,
        environment=settings.serving.environment,
        after=after,
    )
    return [check.proven]


def _webui(
    settings: Settings,
    front: Front,
    *,
    password: pulumi.Output[str] | None,
    after: pulumi.Resource,
) -> dict[str, pulumi.Output[object]]:
    """The page to chat on; its address is an output once its first account has logged in and seen the model."""
    page_settings, head = settings.webui, front.gateway.host
    if password is None:
        password = GeneratedSecret("webui-password").value
    page = WebUi(
        "webui",
        host=head,
        args=WebUiArgs(
            image=head.prepare("webui", webui_programs(settings)).id,
            engine_port=settings.serving.port,
            admin_email=page_settings.admin_email,
            admin_password=password,
            port=page_settings.inner_port,
        ),
        mounts=[Mount.parse(text) for text in settings.images.mounts],
    )
    login = Login(
        "webui-login",
        url=page_settings.url
        or pulumi.Output.concat(scheme(settings), "://", head.machine.address, f":{page_settings.port}"),
        authority=front.authority,
        model=settings.model.name,
        email=page_settings.admin_email,
        password=password,
        trigger=pulumi.Output.concat(page.version, "-", front.gateway.version),
        through=None if page_settings.url else head.machine.jump,
        after=[after],
    )
    return {
        "webuiUrl": login.url,
        "webuiLogin": pulumi.Output.from_input(page_settings.admin_email),
        "webuiPassword": password,
    }


def _weights(settings: Settings, writer: Host, token: pulumi.Output[str] | None) -> list[Weights]:
    """The model's, then those that belong to it."""

    def tell(note: str) -> None:
        if note:
            pulumi.log.info(settings.secrecy.redacted(note))

    made = []
    for name, args in all_weights(settings).items():
        made.append(Weights(name, writer=writer.machine, args=args, token=token, after=[writer.prepared]))
        made[-1].note.apply(tell)
    return made


def _early_start(settings: Settings, writer: Host) -> EarlyStart | None:
    """What the machines wait for instead of the weights, when the settings say so."""
    if settings.cloud is None or settings.cloud.create_machines == "weights-verified":
        return None
    seconds = round(settings.cloud.prepare_minutes * 60)
    return EarlyStart("weights-early-start", writer=writer.machine, seconds=seconds, after=[writer.prepared])


def _lease(settings: Settings, machine: Machine, *, writer: bool) -> Machine:
    """Acquires a machine that exists; the one that wrote the weights is the one that may delete them."""
    cleanup: dict[str, pulumi.Input[str]] = {"MOUNT_POINT": settings.storage.folder}
    if settings.storage.path:
        cleanup["MOUNTED"] = "yes"
    if writer and (fetched := fetched_folders(settings)):
        cleanup["KEPT_WEIGHTS" if settings.model.keep else "DELETE_WEIGHTS"] = "\n".join(fetched)
    return Lease(f"{machine.name}-lease", machine=machine, cleanup=cleanup).machine


def _hosts(settings: Settings, machines: Sequence[Machine], storage: StorageAt, passwords: Passwords) -> list[Host]:
    inside = [*(machine.peer_address for machine in machines), *(machine.address for machine in machines), storage[0]]
    egress = egress_of(settings, passwords, [name for name in inside if name])
    return [
        _host(
            settings,
            machine,
            next((m for m in machines if m is not machine), machine),
            storage,
            egress=egress,
            accelerators=count,
            devices=devices,
            number=number,
            writes=settings.platform == "hosts" and bool(fetched_folders(settings)) and not number,
        )
        for number, (machine, count, devices) in enumerate(
            zip(machines, settings.accelerators, settings.devices, strict=True)
        )
    ]


def _host(
    settings: Settings,
    machine: Machine,
    peer: Machine,
    storage: StorageAt,
    *,
    egress: Egress,
    accelerators: int = 0,
    devices: tuple[str, ...] = (),
    containers: bool = True,
    writes: bool = False,
    number: int | None = None,
) -> Host:
    """One host; `number` is its place among those that serve, None for one that only downloads."""
    server, export = storage
    runtime = find_runtime(settings.runtime)
    own = settings.machines[number] if settings.machines and number is not None else None
    return runtime(
        machine.name,
        machine=machine,
        args=HostArgs(
            peer=peer.peer_address,
            storage_server=server,
            storage_export=export,
            mount_point=settings.storage.folder,
            mount_options=settings.storage.options,
            registry_mirrors=settings.mirrors.registry_mirrors,
            insecure_registries=settings.mirrors.insecure_registries,
            containers=containers,
            image=settings.engine_image if containers else "",
            image_gib=image_gib(settings) if containers and runtime.has_containers else 0,
            pip_index=settings.mirrors.pip or "",
            accelerator=settings.accelerator.of_machine(accelerators, devices, own.hcas if own else ())
            if accelerators
            else AcceleratorArgs(),
            writes=writes,
            mounted=settings.storage.path is not None,
            trigger=settings.native.trigger,
            egress=egress,
            docker_packages=settings.mirrors.docker_packages,
            nic=(own.nic if own else None) or "",
            ports=tuple(f"{one.setting}={one.span}" for one in ports.of_machine(settings, number))
            if number is not None
            else (),
            firewall=number is not None and _has_firewall(settings),
        ),
    )


def _has_firewall(settings: Settings) -> bool:
    """Rented machines have security groups, and a login without root can close nothing."""
    return settings.platform == "hosts" and settings.firewall.enabled and find_runtime(settings.runtime).has_containers


def _inner_ports(settings: Settings, hosts: Sequence[Host]) -> list[pulumi.Resource]:
    """Closes what machines use among themselves, or says whom nobody keeps from it."""
    if not _has_firewall(settings):
        for name, address in public_peers(settings):
            pulumi.log.warn(
                f"{name} is reached by the other machines at {address}, a public address, and firewall.enabled is "
                "false: whoever reaches the ports that they use among themselves can run code there; see that your own "
                "firewall closes them"
            )
        return []
    found = [ports.of_machine(settings, number) for number in range(len(hosts))]
    addresses = addresses_of(hosts)
    return [
        close_inner_ports(
            host,
            addresses=addresses,
            args=FirewallArgs(
                closed=[one.span for one in own if not one.public],
                open=[one.span for one in own if one.public],
                allowed_cidrs=settings.firewall.allowed_cidrs,
            ),
        )
        for host, own in zip(hosts, found, strict=True)
    ]


def _outputs(
    settings: Settings, ssh: Mapping[str, pulumi.Input[str]], answer: Answer, front: Front, task: pulumi.Output[str]
) -> dict[str, pulumi.Output[object]]:
    name, own = settings.model.name, settings.gateway.tls.mode == "pinned" or settings.gateway.tls.ca_file
    curl = pulumi.Output.concat(
        "curl ",
        "--cacert <(pulumi stack output apiCa) " if own else "",
        answer.url,
        pulumi.Output.from_input(task).apply(lambda kind: _question(name, kind)),
        """ -H "Authorization: Bearer $(pulumi stack output apiKey --show-secrets)" """.rstrip(),
    )
    return {
        "apiUrl": answer.url,
        "apiKey": front.key,
        **({"apiKeys": pulumi.Output.secret(pulumi.Output.all(**front.keys))} if settings.gateway.keys else {}),
        **({"apiCa": front.authority} if own else {}),
        "model": pulumi.Output.from_input(name),
        "machines": pulumi.Output.all(**ssh),
        "curl": curl,
    }


def _question(name: str, task: str) -> str:
    """Path and words of a `curl` that has the model do what it is for."""
    if task == "transcription":
        return f"/audio/transcriptions -F file=@speech.wav -F {shlex.quote(f'model={name}')}"
    bodies: dict[str, dict[str, object]] = {
        "completion": {"prompt": "Once upon a time", "max_tokens": 200},
        "embedding": {"input": "Who are you?"},
        "rerank": {"query": "Who are you?", "documents": ["I am a model.", "It rains."]},
    }
    body = bodies.get(task, {"messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 512})
    path = {"completion": "completions", "embedding": "embeddings", "rerank": "rerank"}.get(task, "chat/completions")
    return f"/{path} -H 'Content-Type: application/json' -d {shlex.quote(json.dumps({'model': name, **body}))}"
