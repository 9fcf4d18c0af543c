"""The NAS file system that all machines mount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_alicloud as alicloud


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
        stack: str,
        tags: Mapping[str, str],
        file_system_type: str,
        storage_class: str,
        capacity_gib: int | None,
        zone: str,
        vpc_id: pulumi.Input[str],
        vpc_cidr: str,
        vswitch_id: pulumi.Input[str],
        keep: bool,
        file_system_id: str | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the storage.

        Args:
            name: Pulumi name.
            stack: the deployment's own name.
            tags: of the file system.
            file_system_type: standard or extreme.
            storage_class: the type's class.
            capacity_gib: size, for extreme only.
            zone: where it stands.
            vpc_id: who may mount it.
            vpc_cidr: the same as a range.
            vswitch_id: where the mount target has its address.
            keep: never delete the file system.
            file_system_id: one that exists, to use instead of making one.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:alicloud:Storage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        self.file_system_id = (
            file_system_id
            or alicloud.nas.FileSystem(
                f"{name}-files",
                file_system_type=file_system_type,
                storage_type=storage_class,
                protocol_type="NFS",
                capacity=capacity_gib,
                zone_id=zone,
                description=stack,
                tags=tags,
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(retain_on_delete=keep)),
            ).id
        )
        group = alicloud.nas.AccessGroup(
            f"{name}-access",
            access_group_name=stack,
            access_group_type="Vpc",
            file_system_type=file_system_type,
            description="Machines of one deployment",
            opts=child,
        )
        rule = alicloud.nas.AccessRule(
            f"{name}-access-vpc",
            access_group_name=group.access_group_name,
            file_system_type=file_system_type,
            source_cidr_ip=vpc_cidr,
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
            vpc_id=vpc_id,
            vswitch_id=vswitch_id,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[rule])),
        )
        self.server = target.mount_target_domain
        self.register_outputs({"server": self.server})
