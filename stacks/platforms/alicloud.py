"""Platform alicloud: what the account answers before anything is declared, and what is rented then."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_alicloud as alicloud

from components.alicloud.account import MISSING_KEYS, has_keys
from components.alicloud.api import Api
from components.alicloud.cloud import Cloud, CloudArgs
from components.alicloud.compute import LoginArgs, MachineArgs
from components.alicloud.hooks import account_errors
from components.alicloud.leftovers import Leftover
from components.alicloud.leftovers import machines as tagged_machines
from components.alicloud.names import unusable
from components.alicloud.network import NetworkArgs
from components.alicloud.security_rules import UndeclaredRule, find_undeclared
from components.alicloud.storage import StorageArgs
from components.alicloud.tags import tags_of
from components.machine.payload import content_hash
from stacks.platforms.keys import expanded, private_key
from stacks.platforms.provider import provider_of
from stacks.platforms.stock import pick_candidate
from stacks.settings.cloud import Candidate, CloudSettings
from stacks.settings.errors import SettingsError
from stacks.settings.gateway import ACME_PORT
from stacks.settings.ssh import SshSettings
from stacks.settings.stack import Settings

COMPONENTS = Path(__file__).parents[2] / "components"
UNKNOWN_IMAGE = "image-asked-for-at-up"
NO_KEY = "ssh-ed25519 AAAA no-key-yet"


async def rent(settings: Settings, stack: str) -> Cloud:
    """Asks the account what there is, and declares what is rented.

    Args:
        settings: checked settings of platform alicloud.
        stack: the deployment's own name; the tag on everything.

    Raises:
        SettingsError: something that `up` needs is missing, or no candidate has stock.
        pulumi.RunError: the account gave no answer.
    """
    cloud = settings.cloud
    if cloud is None:
        raise SettingsError("cloud: is missing; platform alicloud needs it")
    if why := unusable(stack):
        raise SettingsError(why)
    _check_before_up(cloud, settings.ssh)
    provider = provider_of(cloud)
    api = functools.cache(lambda: Api(cloud.region, cloud.endpoint))
    network = network_args(settings, cloud, pulumi.get_project(), stack)
    image, candidate = UNKNOWN_IMAGE, cloud.candidates[0]
    standing: list[Leftover] = []
    undeclared: list[UndeclaredRule] = []
    if has_keys():
        with account_errors():
            # Half a second, in which the engine starts the provider. What the API refuses it says more plainly.
            standing, undeclared = await asyncio.to_thread(_ask, api, network)
            image = _newest_image(cloud, provider)
            candidate = _candidate(cloud, provider, standing)
    zones = dict.fromkeys([cloud.nas_zone, candidate.zone])
    network = replace(network, vswitch_cidrs={zone: cloud.vswitch_cidr(zone) for zone in zones})
    tags = functools.partial(tags_of, pulumi.get_project(), stack, cloud.owner)
    return Cloud(
        "cloud",
        args=CloudArgs(
            stack=stack,
            region=cloud.region,
            endpoint=cloud.endpoint,
            image_id=image,
            network=network,
            storage=StorageArgs(
                stack=stack,
                tags=tags("weights" if settings.model.keep else ""),
                file_system_type=cloud.nas.type,
                storage_class=cloud.nas.storage_class,
                zone=cloud.nas_zone,
                client_cidr=cloud.vpc_cidr,
                keep=settings.model.keep,
                capacity_gib=cloud.nas.capacity_gib,
                file_system_id=cloud.file_system_id,
            ),
            login=LoginArgs(
                authorized_key=_public_key(settings.ssh),
                private_key=private_key(settings.ssh),
                key_file=str(expanded(settings.ssh.private_key_file)),
                shown_file=settings.ssh.private_key_file,
            ),
            fetcher=MachineArgs(
                instance_type=cloud.fetcher.instance_type,
                zone=cloud.nas_zone,
                system_disk_gib=cloud.fetcher.system_disk_gib,
                bandwidth_mbps=cloud.fetcher.bandwidth_mbps,
                tags=tags("fetcher"),
                otherwise="set cloud.nas.zone to a zone that sells it, or cloud.fetcher.instanceType to another",
            ),
            fetcher_rests=cloud.fetcher.afterwards == "stop",
            fetcher_work=_work(settings),
            machines=MachineArgs(
                instance_type=candidate.instance_type,
                zone=candidate.zone,
                system_disk_gib=cloud.system_disk_gib,
                bandwidth_mbps=cloud.bandwidth_mbps,
                tags=tags("machine"),
                otherwise=_next_candidate(cloud, candidate),
                spot_price_limit=cloud.spot_price_limit,
                auto_release_time=release_time(cloud.auto_release_hours, time.time()),
            ),
            count=cloud.machines,
            standing=frozenset(each.id for each in standing),
            undeclared=undeclared,
        ),
        api=api,
        provider=provider,
    )


def _ask(api: Callable[[], Api], network: NetworkArgs) -> tuple[list[Leftover], list[UndeclaredRule]]:
    """The stack's machines, and rules of its security groups that nobody declared."""
    for part in (alicloud.ecs, alicloud.nas, alicloud.vpc):
        vars(part)  # the SDK imports a part when it is first looked at: here it is beside the provider's start
    return tagged_machines(api(), network.stack), find_undeclared(api(), network.stack, network.rules())


def release_time(hours: int | None, now: float) -> str | None:
    """The end of the dead man's switch.

    Two halves from the half that has begun: at most `hours` away, at least half of that, and the same for
    every `up` within one half, so that an `up` without changes changes nothing.
    """
    if hours is None:
        return None
    half = hours * 1800
    return time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime((int(now) // half + 2) * half))


def _check_before_up(cloud: CloudSettings, ssh: SshSettings) -> None:
    """Refuses what `up` needs and a preview can do without, which then only says so.

    Raises:
        SettingsError: keys, key file or administrators are missing.
    """
    missing = []
    if not has_keys():
        missing.append(f"{MISSING_KEYS}; until then neither stock nor images nor prices are asked for")
    if cloud.for_documentation:
        missing.append(
            f"cloud.adminCidrs: {', '.join(cloud.for_documentation)} is an example that is nobody's address; "
            "put in your own public address with /32"
        )
    if not expanded(ssh.private_key_file).exists():
        missing.append(f"ssh.privateKeyFile: {ssh.private_key_file} is not there; make it with `ssh-keygen -t ed25519`")
    if not missing:
        return
    if not pulumi.runtime.is_dry_run():
        raise SettingsError("\n".join(["nothing was rented:", *(f"  {each}" for each in missing)]))
    for each in missing:
        pulumi.log.warn(f"before `pulumi up`: {each}")


def network_args(settings: Settings, cloud: CloudSettings, project: str, stack: str) -> NetworkArgs:
    """Who reaches what; vSwitches follow with the candidate."""
    return NetworkArgs(
        stack=stack,
        tags=tags_of(project, stack, cloud.owner),
        vpc_cidr=cloud.vpc_cidr,
        vswitch_cidrs={},
        admin_cidrs=cloud.admin_cidrs,
        allowed_cidrs=settings.gateway.allowed_cidrs,
        gateway_port=settings.gateway.port,
        other_ports=_other_ports(settings),
        vpc_id=cloud.vpc_id,
        vswitch_ids=cloud.vswitches,
    )


def _other_ports(settings: Settings) -> dict[int, tuple[str, ...]]:
    """Ports of the first machine that are open beside the URL's, each to its ranges."""
    pages = {settings.webui.port: settings.webui.allowed_cidrs} if settings.webui.enabled else {}
    team = settings.gateway.team
    if team.enabled and team.allowed_cidrs:
        pages[team.port] = team.allowed_cidrs
    # Certificate authorities ask from addresses that they don't tell.
    return {**pages, **({ACME_PORT: ("0.0.0.0/0",)} if settings.gateway.tls.mode == "acme" else {})}


def _candidate(cloud: CloudSettings, provider: alicloud.Provider, standing: list[Leftover]) -> Candidate:
    """Where the machines stand already; else the first candidate with stock for all."""
    places = {(each.zone, each.type) for each in standing if each.role == "machine"}
    for candidate in cloud.candidates:
        if (candidate.zone, candidate.instance_type) in places:
            return candidate
    return pick_candidate(cloud, provider)


def _next_candidate(cloud: CloudSettings, candidate: Candidate) -> str:
    """Advice for a zone that sells out between the question and the purchase."""
    rest = cloud.candidates[cloud.candidates.index(candidate) + 1 :]
    if rest:
        return f"the next candidate is {rest[0].instance_type} in {rest[0].zone}"
    return "wait, or add another zone or instanceType to cloud.candidates"


def _newest_image(cloud: CloudSettings, provider: alicloud.Provider) -> str:
    found = alicloud.ecs.get_images(
        name_regex=cloud.image, owners="system", opts=pulumi.InvokeOptions(provider=provider)
    ).images
    if not found:
        raise SettingsError(
            f"cloud.image: no image of region {cloud.region} matches {cloud.image}; "
            "^ubuntu_22_04_x64_20G_alibase matches Ubuntu 22.04"
        )
    return str(max(found, key=lambda image: image.creation_time).id)


def _public_key(ssh: SshSettings) -> str:
    file = expanded(ssh.private_key_file)
    if not file.exists():
        return NO_KEY
    done = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", file], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(
            f"ssh.privateKeyFile: {file} is no key that OpenSSH can use without a passphrase "
            f"({done.stderr.strip().splitlines()[-1:]}); make one with `ssh-keygen -t ed25519`"
        )
    return done.stdout.strip()


def _work(settings: Settings) -> str:
    """What the fetcher is asked for, and by which of our files; another text is work for it."""
    wanted = settings.model.model_dump_json(exclude={"served_name", "keep"})
    return f"{wanted}{settings.storage}{settings.mirrors} {_files_of_steps()}"


def _files_of_steps() -> str:
    """Changes with any file that a step on the fetcher may be made of: such a step then runs, which needs it awake."""
    files = [file for part in ("machine", "host", "runtime", "weights") for file in COMPONENTS.glob(f"{part}/files/*")]
    return content_hash({str(file.relative_to(COMPONENTS)): file.read_bytes() for file in files if file.is_file()}, {})
