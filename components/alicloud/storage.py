"""The NAS file system that all machines mount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from components.alicloud.network import Network


@dataclass(frozen=True)
class StorageArgs:
    """Which file system.

    Attributes:
        stack: the deployment's own name; the access group's, and the file system's description.
        tags: of the file system.
        file_system_type: standard or extreme.
        storage_class: the type's class.
        zone: where it stands.
        client_cidr: who may mount it.
        keep: never delete the file system.
        capacity_gib: size, for extreme only.
        file_system_id: one that exists, to use instead of making one.
    """

    stack: str
    tags: Mapping[str, str]
    file_system_type: str
    storage_class: str
    zone: str
    client_cidr: str
    keep: bool
    capacity_gib: int | None = None
    file_system_id: str | None = None


class Storage(pulumi.ComponentResource):
    """A file system for the weights, and a mount target that only the VPC reaches.

    With `keep`, the file system outlives `destroy` and its own replacement: neither deletes it.

    Attributes:
        file_system_id: the file system.
        server: the mount target's domain.
    """

    file_system_id: pulumi.Input[str]
    server: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        args: StorageArgs,
        network: Network,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the storage.

        Args:
            name: Pulumi name.
            args: which file system.
            network: where the mount target has its address.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:alicloud:Storage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        self.file_system_id = (
            args.file_system_id
            or alicloud.nas.FileSystem(
                f"{name}-files",
                file_system_type=args.file_system_type,
                storage_type=args.storage_class,
                protocol_type="NFS",
                capacity=args.capacity_gib,
                zone_id=args.zone,
                description=args.stack,
                tags=args.tags,
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(retain_on_delete=args.keep)),
            ).id
        )
        group = alicloud.nas.AccessGroup(
            f"{name}-access",
            access_group_name=args.stack,
            access_group_type="Vpc",
            file_system_type=args.file_system_type,
            description="Machines of one deployment",
            opts=child,
        )
        rule = alicloud.nas.AccessRule(
            f"{name}-access-vpc",
            access_group_name=group.access_group_name,
            file_system_type=args.file_system_type,
            source_cidr_ip=args.client_cidr,
            rw_access_type="RDWR",
            user_access_type="no_squash",
            priority=1,
            opts=child,
        )
        target = alicloud.nas.MountTarget(
            f"{name}-target",
            file_system_id=self.file_system_id,
            access_group_name=group.access_group_name,
            network_type="Vpc",
            vpc_id=network.vpc_id,
            vswitch_id=network.vswitches[args.zone],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[rule])),
        )
        self.server = target.mount_target_domain
        self.register_outputs({"server": self.server})
