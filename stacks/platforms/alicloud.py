"""Everything rented from Alibaba Cloud: network, storage, a fetcher, and the machines."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pulumi
import pulumi_alicloud as alicloud

from components.alicloud.account import MISSING_KEYS, has_keys
from components.alicloud.api import Api
from components.alicloud.compute import Compute, ComputeArgs
from components.alicloud.gang import Gang
from components.alicloud.leftovers import Leftover, release
from components.alicloud.leftovers import machines as tagged_machines
from components.alicloud.names import unusable
from components.alicloud.network import Network
from components.alicloud.storage import Storage
from components.alicloud.tags import tags_of
from components.alicloud.watch import watch_doors
from components.machine import Machine, run_here
from components.machine.payload import content_hash
from stacks.cloud_schema import Candidate
from stacks.platforms.asking import asking
from stacks.platforms.keys import expanded, private_key
from stacks.platforms.mended import mended
from stacks.platforms.provider import provider_of
from stacks.platforms.refused import refused
from stacks.platforms.stock import choose
from stacks.schema import Settings
from stacks.settings import SettingsError

COMMAND = ".venv/bin/python -m components.alicloud"
COMPONENTS = Path(__file__).parents[2] / "components"
UNKNOWN_IMAGE = "image-asked-for-at-up"
NO_KEY = "ssh-ed25519 AAAA no-key-yet"


@dataclass(frozen=True)
class Rented:
    """What tells one machine from another.

    Attributes:
        instance_type: its type.
        zone: where it stands.
        disk_gib: its disk.
        bandwidth_mbps: its way outside.
        serves: it computes, rather than only downloads.
        front: it has the gateway.
    """

    instance_type: str
    zone: str
    disk_gib: int
    bandwidth_mbps: int
    serves: bool = False
    front: bool = False


class Cloud:
    """The rented part of a deployment.

    Args:
        settings: checked settings of platform alicloud.
        stack: the deployment's own name; the tag on everything.

    Attributes:
        storage: the NAS.
        fetcher: the small machine that downloads the weights.
        candidate: where the machines are rented.
    """

    def __init__(self, settings: Settings, stack: str) -> None:
        if settings.cloud is None:
            raise SettingsError("cloud: is missing; platform alicloud needs it")
        self._settings, self._cloud, self._stack = settings, settings.cloud, stack
        cloud = self._cloud
        if why := unusable(stack):
            raise SettingsError(why)
        self._check_before_up()
        self._provider = provider_of(cloud)
        under = pulumi.ResourceOptions(providers=[self._provider], transformations=[mended(lambda: self._api, stack)])
        # The provider takes half a second to start; who asks the API by itself need not wait for it.
        with asking(), ThreadPoolExecutor(1) as beside:
            asked = beside.submit(self._find_standing)
            try:
                self._image = self._find_image()
            finally:  # what the API refuses it says more plainly than the provider
                standing = asked.result()
            self.candidate = self._candidate(standing)
        self._standing = {each.id for each in standing}
        self._call: dict[str, pulumi.Input[object]] = {
            "region": cloud.region, "endpoint": cloud.endpoint, "stack": stack, "name": pulumi.get_stack(),
        }  # fmt: skip
        keep = settings.model.keep
        # Made first and deleted last: what it finds then is what was forgotten.
        sweep = run_here(
            "sweep", call={**self._call, "keep_weights": keep}, create=f"{COMMAND} fresh", delete=f"{COMMAND} sweep",
            opts=pulumi.ResourceOptions(ignore_changes=["create"]),
        )  # fmt: skip
        zones = list(dict.fromkeys([cloud.nas_zone, self.candidate.zone]))
        self.network = Network(
            "network",
            stack=stack,
            tags=self._tags(),
            vpc_cidr=cloud.vpc_cidr,
            vswitch_cidrs={zone: cloud.vswitch_cidr(zone) for zone in zones},
            admin_cidrs=cloud.admin_cidrs,
            allowed_cidrs=settings.gateway.allowed_cidrs,
            gateway_port=settings.gateway.port,
            more={settings.webui.port: settings.webui.allowed_cidrs} if settings.webui.enabled else None,
            vpc_id=cloud.vpc_id,
            vswitch_ids=cloud.vswitches,
            after=[sweep],
            opts=under,
        )
        self.storage = Storage(
            "storage",
            stack=stack,
            tags=self._tags("weights" if keep else ""),
            file_system_type=cloud.nas.type,
            storage_class=cloud.nas.storage_class,
            capacity_gib=cloud.nas.capacity_gib,
            zone=cloud.nas_zone,
            vpc_id=self.network.vpc_id,
            vpc_cidr=cloud.vpc_cidr,
            vswitch_id=self.network.vswitches[cloud.nas_zone],
            keep=keep,
            file_system_id=cloud.file_system_id,
            after=[sweep],
            opts=under,
        )
        self._doors = watch_doors(
            self.network, api=self._api if has_keys() else None, stack=stack, call=self._call, command=COMMAND,
            opts=pulumi.ResourceOptions(),
        )  # fmt: skip
        # A machine whose creation was cut off is in no state: it goes before the network it stands in.
        self._guard = run_here(
            "guard", call=self._call, delete=f"{COMMAND} release",
            opts=pulumi.ResourceOptions(depends_on=[self.network]),
        )  # fmt: skip
        self._under = under
        small = cloud.fetcher
        alone = Gang("fetcher", partial(self._give_back, "fetcher"), self._explain_fetcher)
        self._fetcher = self._compute(
            "fetcher",
            Rented(small.instance_type, cloud.nas_zone, small.system_disk_gib, small.bandwidth_mbps),
            hooks=None if pulumi.runtime.is_dry_run() else alone.hooks(),
            wake=self._wake if small.afterwards == "stop" else None,
        )
        self.fetcher = self._fetcher.machine

    def machines(self, after: Sequence[pulumi.Resource]) -> list[Machine]:
        """The machines that serve, all or none; the first has the gateway."""
        cloud, at = self._cloud, self.candidate
        gang = Gang("gang", partial(self._give_back, "machine"), self._explain)
        hooks = None if pulumi.runtime.is_dry_run() else gang.hooks()
        made = []
        for number in range(cloud.machines):
            rented = Rented(
                at.instance_type, at.zone, cloud.system_disk_gib, cloud.bandwidth_mbps, serves=True, front=not number
            )
            made.append(self._compute(f"node-{number}", rented, hooks=hooks, after=[self._doors, *after]))
        # Of a creation that was cut off, the machine stays behind beside the one that took its place.
        run_here(
            "roster",
            call={
                **self._call,
                "keep": [each.instance_id for each in (self._fetcher, *made)],
                "mount_target": self.storage.server,
            },
            create=f"{COMMAND} release",
            opts=pulumi.ResourceOptions(depends_on=[self._guard]),
        )
        return [each.machine for each in made]

    def rest(self, weights: pulumi.Output[str], after: Sequence[pulumi.Resource]) -> None:
        """Switches the fetcher off when the weights are there, if the settings say so."""
        if self._cloud.fetcher.afterwards == "stop":
            run_here(
                "fetcher-rest",
                call={**self._call, "instance": self._fetcher.instance_id, "work": self._work, "weights": weights},
                create=f"{COMMAND} power-off",
                opts=pulumi.ResourceOptions(depends_on=list(after), deleted_with=self.fetcher.owner),
            )

    @property
    def _work(self) -> str:
        """What the fetcher is asked for, and by which of our files; another text is work for it."""
        told = self._settings.model.model_dump_json(exclude={"served_name", "keep"})
        return f"{told}{self._settings.storage}{self._settings.mirrors} {_files_of_steps()}"

    def _wake(self, instance: pulumi.Output[str]) -> pulumi.Resource:
        """A fetcher that rests is switched on when there is other work for it."""
        return run_here(
            "fetcher-wake",
            call={**self._call, "instance": instance, "work": self._work},
            create=f"{COMMAND} power-on",
            opts=pulumi.ResourceOptions(depends_on=[self._guard]),
        )

    def ssh(self, machine: Machine) -> pulumi.Output[str]:
        """A command that opens a machine."""
        known = pulumi.Output.concat("KnownHostsCommand=/bin/echo ", machine.address, " ", machine.host_key)
        return pulumi.Output.concat(
            f"ssh -i {self._settings.ssh.private_key_file} -o UserKnownHostsFile=/dev/null -o '", known, "' root@",
            machine.address,
        )  # fmt: skip

    def _compute(
        self,
        name: str,
        rented: Rented,
        *,
        hooks: pulumi.ResourceHookBinding | None = None,
        wake: Callable[[pulumi.Output[str]], pulumi.Resource] | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> Compute:
        cloud = self._cloud
        return Compute(
            name,
            stack=self._stack,
            args=ComputeArgs(
                instance_type=rented.instance_type,
                image_id=self._image,
                zone=rented.zone,
                vswitch_id=self.network.vswitches[rented.zone],
                security_groups=[self.network.inside, *([self.network.front] if rented.front else [])],
                authorized_key=self._public_key,
                system_disk_gib=rented.disk_gib,
                bandwidth_mbps=rented.bandwidth_mbps,
                spot_price_limit=cloud.spot_price_limit if rented.serves else None,
                auto_release_time=_release_time(cloud.auto_release_hours, time.time()) if rented.serves else None,
                may_rest=not rented.serves,
                tags=self._tags("machine" if rented.serves else "fetcher"),
            ),
            private_key=private_key(self._settings.ssh),
            key_file=str(expanded(self._settings.ssh.private_key_file)),
            hooks=hooks,
            wake=wake,
            after=[self._guard, *after],
            opts=self._under,
        )

    def _tags(self, role: str = "") -> dict[str, str]:
        return tags_of(pulumi.get_project(), self._stack, self._cloud.owner, role)

    def _check_before_up(self) -> None:
        """Refuses what `up` needs and a preview can do without, which then only says so.

        Raises:
            SettingsError: keys, key file or administrators are missing.
        """
        missing = []
        if not has_keys():
            missing.append(f"{MISSING_KEYS}; until then neither stock nor images nor prices are asked for")
        if self._cloud.for_documentation:
            missing.append(
                f"cloud.adminCidrs: {', '.join(self._cloud.for_documentation)} is an example that is nobody's address; "
                "put in your own public address with /32"
            )
        if not expanded(self._settings.ssh.private_key_file).exists():
            missing.append(
                f"ssh.privateKeyFile: {self._settings.ssh.private_key_file} is not there; make it with "
                "`ssh-keygen -t ed25519`"
            )
        if not missing:
            return
        if not pulumi.runtime.is_dry_run():
            raise SettingsError("\n".join(["nothing was rented:", *(f"  {each}" for each in missing)]))
        for each in missing:
            pulumi.log.warn(f"before `pulumi up`: {each}")

    def _find_standing(self) -> list[Leftover]:
        return tagged_machines(self._api, self._stack) if has_keys() else []

    def _candidate(self, standing: list[Leftover]) -> Candidate:
        """Where the machines stand already; else the first candidate with stock for all."""
        if not has_keys():
            return self._cloud.candidates[0]
        places = {(each.zone, each.type) for each in standing if each.role == "machine"}
        for candidate in self._cloud.candidates:
            if (candidate.zone, candidate.instance_type) in places:
                return candidate
        return choose(self._cloud, self._provider)

    def _find_image(self) -> str:
        if not has_keys():
            return UNKNOWN_IMAGE
        found = alicloud.ecs.get_images(
            name_regex=self._cloud.image, owners="system", opts=pulumi.InvokeOptions(provider=self._provider)
        ).images
        if not found:
            raise SettingsError(
                f"cloud.image: no image of region {self._cloud.region} matches {self._cloud.image}; "
                "^ubuntu_22_04_x64_20G_alibase matches Ubuntu 22.04"
            )
        return str(max(found, key=lambda image: image.creation_time).id)

    @cached_property
    def _api(self) -> Api:
        return Api(self._cloud.region, self._cloud.endpoint)

    @cached_property
    def _public_key(self) -> str:
        file = expanded(self._settings.ssh.private_key_file)
        if not file.exists():
            return NO_KEY
        done = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", file], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SettingsError(
                f"ssh.privateKeyFile: {file} is no key that OpenSSH can use without a passphrase "
                f"({done.stderr.strip().splitlines()[-1:]}); make one with `ssh-keygen -t ed25519`"
            )
        return done.stdout.strip()

    def _give_back(self, role: str, made: list[str]) -> int:
        """Those made, and those of this role that came to be without an answer: they were not there before."""
        found = {each.id for each in tagged_machines(self._api, self._stack) if each.role == role}
        ids = sorted(found - self._standing | set(made))
        release(self._api, ids)
        return len(ids)

    def _explain_fetcher(self, error: str) -> str:
        return refused(
            f"fetcher {self._cloud.fetcher.instance_type} in {self._cloud.nas_zone}",
            error,
            "set cloud.nas.zone to a zone that sells it, or cloud.fetcher.instanceType to another",
        )

    def _explain(self, error: str) -> str:
        """What the user does about a machine that could not be had."""
        at, candidates = self.candidate, list(self._cloud.candidates)
        rest = candidates[candidates.index(at) + 1 :] if at in candidates else []
        otherwise = (
            f"the next candidate is {rest[0].instance_type} in {rest[0].zone}"
            if rest
            else "wait, or add another zone or instanceType to cloud.candidates"
        )
        return refused(f"{self._cloud.machines} x {at.instance_type} in {at.zone}", error, otherwise)


def _files_of_steps() -> str:
    """Changes with any file that a step on the fetcher may be made of: such a step then runs, which needs it awake."""
    files = [file for part in ("machine", "host", "runtime", "weights") for file in COMPONENTS.glob(f"{part}/files/*")]
    return content_hash({str(file.relative_to(COMPONENTS)): file.read_bytes() for file in files if file.is_file()}, {})


def _release_time(hours: int | None, now: float) -> str | None:
    """The end of the dead man's switch.

    Two halves from the half that has begun: at most `hours` away, at least half of that, and the same for
    every `up` within one half, so that an `up` without changes changes nothing.
    """
    if hours is None:
        return None
    half = hours * 1800
    return time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime((int(now) // half + 2) * half))
