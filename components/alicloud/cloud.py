"""Everything rented from Alibaba Cloud: network, storage, a fetcher, and the machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from components.alicloud.api import Api
from components.alicloud.compute import Compute, ComputeArgs, LoginArgs, MachineArgs, ssh_command
from components.alicloud.errors import unavailable
from components.alicloud.gang import Gang
from components.alicloud.hooks import error_hook
from components.alicloud.leftovers import machines as tagged_machines
from components.alicloud.leftovers import release
from components.alicloud.network import Network, NetworkArgs
from components.alicloud.rule_watch import watch_security_rules
from components.alicloud.security_rules import UndeclaredRule
from components.alicloud.storage import Storage, StorageArgs
from components.machine import Machine, local_command

COMMAND = ".venv/bin/python -m components.alicloud"


@dataclass(frozen=True)
class CloudArgs:
    """What is rented. All of it is known before anything is declared.

    Attributes:
        stack: the deployment's own name; the tag on everything.
        region: such as cn-hangzhou.
        endpoint: host:port of another API than Alibaba Cloud's own.
        image_id: system image of every machine.
        network: who reaches what.
        storage: the NAS.
        login: the key that opens the machines.
        fetcher: the small machine that downloads the weights.
        fetcher_rests: it is switched off when the weights are there.
        fetcher_work: what it is asked for; another text is work for it, and switches it on.
        machines: those that serve.
        count: how many serve.
        standing: ids of machines that were there before this run.
        undeclared: security rules that nobody declared.
    """

    stack: str
    region: str
    endpoint: str | None
    image_id: str
    network: NetworkArgs
    storage: StorageArgs
    login: LoginArgs
    fetcher: MachineArgs
    fetcher_rests: bool
    fetcher_work: str
    machines: MachineArgs
    count: int
    standing: frozenset[str] = frozenset()
    undeclared: Sequence[UndeclaredRule] = ()


class Cloud(pulumi.ComponentResource):
    """The rented part of a deployment.

    The API is used by hooks only, while the engine creates: nothing is asked here.

    Attributes:
        storage: the NAS.
        fetcher: the small machine that downloads the weights.
    """

    def __init__(
        self, name: str, *, args: CloudArgs, api: Callable[[], Api], provider: pulumi.ProviderResource
    ) -> None:
        """Declares network, storage and fetcher; `machines` the rest.

        Args:
            name: Pulumi name.
            args: what is rented.
            api: the account, for hooks.
            provider: Alibaba Cloud's.
        """
        opts = pulumi.ResourceOptions(providers=[provider], transformations=[error_hook(api, args.stack)])
        super().__init__("tandem:alicloud:Cloud", name, None, opts)
        self._args, self._api = args, api
        self._under = pulumi.ResourceOptions(parent=self)
        self._call: dict[str, pulumi.Input[object]] = {
            "region": args.region,
            "endpoint": args.endpoint,
            "stack": args.stack,
            "name": pulumi.get_stack(),
        }
        # Made first and deleted last: what it finds then is what was forgotten.
        sweep = local_command(
            "sweep",
            call={**self._call, "keep_weights": args.storage.keep},
            create=f"{COMMAND} fresh",
            delete=f"{COMMAND} sweep",
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["create"]),
        )
        self.network = Network("network", args=args.network, after=[sweep], opts=self._under)
        self.storage = Storage("storage", args=args.storage, network=self.network, after=[sweep], opts=self._under)
        self._rules = watch_security_rules(
            self.network,
            args.network,
            found=args.undeclared,
            call=self._call,
            command=COMMAND,
            opts=self._under,
        )
        # A machine whose creation was cut off is in no state: it goes before the network it stands in.
        self._guard = local_command(
            "guard",
            call=self._call,
            delete=f"{COMMAND} release",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.network]),
        )
        self._fetcher = self._compute(
            "fetcher",
            args.fetcher,
            front=False,
            hooks=self._hooks("fetcher", "fetcher", f"fetcher {args.fetcher.instance_type}", args.fetcher),
            wake=self._wake if args.fetcher_rests else None,
        )
        self.fetcher = self._fetcher.machine
        self.register_outputs({})

    def machines(self, after: Sequence[pulumi.Resource]) -> list[Machine]:
        """Declares the machines that serve, all or none; the first has the gateway."""
        args = self._args
        hooks = self._hooks("gang", "machine", f"{args.count} x {args.machines.instance_type}", args.machines)
        made = [
            self._compute(f"node-{number}", args.machines, front=not number, hooks=hooks, after=[self._rules, *after])
            for number in range(args.count)
        ]
        # Of a creation that was cut off, the machine stays behind beside the one that took its place.
        local_command(
            "roster",
            call={
                **self._call,
                "keep": [each.instance_id for each in (self._fetcher, *made)],
                "mount_target": self.storage.server,
            },
            create=f"{COMMAND} release",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._guard]),
        )
        return [each.machine for each in made]

    def rest(self, weights: pulumi.Output[str], after: Sequence[pulumi.Resource]) -> None:
        """Switches the fetcher off when the weights are there, if the settings say so."""
        if self._args.fetcher_rests:
            local_command(
                "fetcher-rest",
                call={
                    **self._call,
                    "instance": self._fetcher.instance_id,
                    "work": self._args.fetcher_work,
                    "weights": weights,
                },
                create=f"{COMMAND} power-off",
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(after), deleted_with=self.fetcher.owner),
            )

    def ssh(self, machine: Machine) -> pulumi.Output[str]:
        """A command that opens a machine."""
        return pulumi.Output.all(machine.address, machine.host_key).apply(
            lambda known: ssh_command(self._args.login.shown_file, *known)
        )

    def _wake(self, instance: pulumi.Output[str]) -> pulumi.Resource:
        """A fetcher that rests is switched on when there is other work for it."""
        return local_command(
            "fetcher-wake",
            call={**self._call, "instance": instance, "work": self._args.fetcher_work},
            create=f"{COMMAND} power-on",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._guard]),
        )

    def _compute(
        self,
        name: str,
        args: MachineArgs,
        *,
        front: bool,
        hooks: pulumi.ResourceHookBinding | None,
        wake: Callable[[pulumi.Output[str]], pulumi.Resource] | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> Compute:
        return Compute(
            name,
            args=ComputeArgs(
                stack=self._args.stack,
                machine=args,
                login=self._args.login,
                image_id=self._args.image_id,
                vswitch_id=self.network.vswitches[args.zone],
                security_groups=[self.network.inside, *([self.network.front] if front else [])],
                may_rest=name == "fetcher",
            ),
            hooks=hooks,
            wake=wake,
            after=[self._guard, *after],
            opts=self._under,
        )

    def _hooks(self, name: str, role: str, what: str, args: MachineArgs) -> pulumi.ResourceHookBinding | None:
        """All machines of a role or none; a preview creates none."""
        if pulumi.runtime.is_dry_run():
            return None
        explain = partial(unavailable, f"{what} in {args.zone}", otherwise=args.otherwise)
        return Gang(name, partial(self._release, role), explain).hooks()

    def _release(self, role: str, made: list[str]) -> int:
        """Releases those made, and those of this role that came to be without an answer: they were not there before."""
        api = self._api()
        found = {each.id for each in tagged_machines(api, self._args.stack) if each.role == role}
        ids = sorted(found - self._args.standing | set(made))
        release(api, ids)
        return len(ids)
