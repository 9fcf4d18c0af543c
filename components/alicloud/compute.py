"""One rented machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from components.machine import HostKeys, Lease, Machine
from components.partial_creation import PARTIALLY_CREATED


@dataclass(frozen=True)
class MachineArgs:
    """Machines of one kind.

    Attributes:
        instance_type: such as ecs.gn8is-2x.8xlarge.
        zone: availability zone.
        system_disk_gib: size of the disk.
        bandwidth_mbps: public bandwidth, paid by traffic.
        tags: of machine and disk.
        otherwise: advice where the zone does not sell it.
        spot_price_limit: an hour's price above which a spot machine is released; None is pay as you go.
        auto_release_time: when it releases itself, such as 2026-11-24T12:00:00Z; None is never.
    """

    instance_type: str
    zone: str
    system_disk_gib: int
    bandwidth_mbps: int
    tags: dict[str, str]
    otherwise: str
    spot_price_limit: float | None = None
    auto_release_time: str | None = None


@dataclass(frozen=True)
class LoginArgs:
    """The key that opens the machines.

    Attributes:
        authorized_key: its public part.
        private_key: the key itself, a secret.
        key_file: the same as a file, for Docker's SSH.
        shown_file: the file as the user writes it.
    """

    authorized_key: str
    private_key: pulumi.Input[str]
    key_file: str
    shown_file: str


@dataclass(frozen=True)
class ComputeArgs:
    """One machine of its kind, and where it goes.

    Attributes:
        stack: the deployment's own name; names in the account begin with it.
        machine: what is rented.
        login: the key that opens it; its public part is in the user data, of any type that OpenSSH knows, where an
            import as key pair takes some only.
        image_id: system image at creation; a newer one later changes nothing.
        vswitch_id: its network.
        security_groups: who may reach it.
        may_rest: it is stopped in economical mode, which takes away public address and place: its address is an EIP,
            which stays, and another instance type is another machine.
    """

    stack: str
    machine: MachineArgs
    login: LoginArgs
    image_id: pulumi.Input[str]
    vswitch_id: pulumi.Input[str]
    security_groups: Sequence[pulumi.Input[str]]
    may_rest: bool = False


class Compute(pulumi.ComponentResource):
    """A machine whose host key is known before it boots, acquired as soon as SSH answers with it.

    Attributes:
        machine: for steps; when the instance goes, what is on it needs no deleting.
        instance_id: the instance.
    """

    machine: Machine
    instance_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        args: ComputeArgs,
        hooks: pulumi.ResourceHookBinding | None = None,
        wake: Callable[[pulumi.Output[str]], pulumi.Resource] | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the machine.

        Args:
            name: Pulumi name, and the machine's.
            args: what is rented.
            hooks: called when the instance is created, or can't be.
            wake: declares what switches it on, by its id; None for one that is never switched off.
            after: what must be done before it is rented.
            opts: Pulumi options.
        """
        super().__init__("tandem:alicloud:Compute", name, None, opts)
        host_keys = HostKeys(f"{name}-host-keys", opts=pulumi.ResourceOptions(parent=self))
        machine, login = args.machine, args.login
        spot = machine.spot_price_limit is not None
        own = None
        if args.may_rest:
            own = alicloud.ecs.EipAddress(
                f"{name}-address",
                address_name=f"{args.stack}-{name}",
                bandwidth=str(machine.bandwidth_mbps),
                internet_charge_type="PayByTraffic",
                payment_type="PayAsYouGo",
                tags=machine.tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
            )
        instance = alicloud.ecs.Instance(
            f"{name}-instance",
            instance_name=f"{args.stack}-{name}",
            host_name=name,
            instance_type=machine.instance_type,
            image_id=args.image_id,
            availability_zone=machine.zone,
            vswitch_id=args.vswitch_id,
            security_groups=list(args.security_groups),
            user_data=pulumi.Output.all(host_keys.first.private, host_keys.first.public).apply(
                lambda pair: cloud_config(pair[0], pair[1], login.authorized_key)
            ),
            system_disk_category="cloud_essd",
            system_disk_size=machine.system_disk_gib,
            instance_charge_type="PostPaid",
            spot_strategy="SpotWithPriceLimit" if spot else "NoSpot",
            spot_price_limit=machine.spot_price_limit,
            internet_charge_type="PayByTraffic",
            # An instance with an EIP has no bandwidth of its own.
            internet_max_bandwidth_out=None if own else machine.bandwidth_mbps,
            auto_release_time=machine.auto_release_time,
            tags=machine.tags,
            volume_tags=machine.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*after, *([own] if own else [])],
                # A newer image is no reason to replace a machine that serves.
                ignore_changes=["imageId"],
                # The provider would try to move a machine to another zone's vSwitch, which the cloud refuses.
                # User data that changes is read by a machine's first boot only.
                replace_on_changes=[
                    "availabilityZone",
                    "vswitchId",
                    "userData",
                    *(["instanceType"] if own else []),
                    *PARTIALLY_CREATED,
                ],
                delete_before_replace=True,
                additional_secret_outputs=["userData"],
                hooks=hooks,
                custom_timeouts=pulumi.CustomTimeouts(create="20m", delete="20m"),
            ),
        )
        address: pulumi.Output[str] = instance.public_ip
        ready = []
        if own:
            address = own.ip_address
            link = alicloud.ecs.EipAssociation(
                f"{name}-address-link",
                allocation_id=own.id,
                instance_id=instance.id,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # Goes with the machine: asked to end one that is gone already, the provider tries for minutes.
                    retain_on_delete=True,
                    # What a refresh may find there is no wish of ours, and no reason to replace it.
                    ignore_changes=["privateIpAddress", "vpcId", "mode", "instanceType"],
                ),
            )
            ready.append(link)
        echo = pulumi.Output.concat("KnownHostsCommand=/bin/echo ", address, " ", host_keys.own.public)
        reached = Machine(
            name=name,
            address=address,
            peer_address=instance.primary_ip_address,
            user="root",
            port=22,
            private_key=login.private_key,
            host_key=host_keys.own.public,
            stack=args.stack,
            ssh_options=(
                *("-F", "none", "-i", login.key_file, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"),
                *("-o", "UserKnownHostsFile=/dev/null", "-o", echo, "-o", "ServerAliveInterval=10"),
            ),
            owner=instance,
            identity=instance.id,
        )
        self.machine = Lease(
            f"{name}-lease",
            machine=reached,
            host_keys=host_keys,
            after=[*ready, *([wake(instance.id)] if wake else [])],
            parent=self,
        ).machine
        self.instance_id = instance.id
        self.register_outputs({"instanceId": instance.id})


def cloud_config(private: str, public: str, authorized: str) -> str:
    """User data: the host key that the machine shall show, and the key that opens it."""
    config = {
        "ssh_keys": {"ed25519_private": private, "ed25519_public": public},
        "ssh_authorized_keys": [authorized],
        "disable_root": False,
    }
    return f"#cloud-config\n{json.dumps(config, indent=1)}\n"  # JSON is YAML


def ssh_command(key_file: str, address: str, host_key: str) -> str:
    """A command line that opens a machine whose host key is known."""
    known = f"KnownHostsCommand=/bin/echo {address} {host_key}"
    return f"ssh -i {key_file} -o UserKnownHostsFile=/dev/null -o '{known}' root@{address}"
