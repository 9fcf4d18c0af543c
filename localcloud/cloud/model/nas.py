"""NAS: file systems, their mount targets, and the access groups that guard them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from localcloud.cloud.model.document import Changing, Resource, inner
from localcloud.cloud.wire import Json

OPEN_GROUP = "DEFAULT_VPC_GROUP_NAME"
"""The access group that every account has: all of a VPC may mount."""


@dataclass(kw_only=True, eq=False)
class FileSystem(Changing):
    """A file system.

    Attributes:
        file_system_type: standard or extreme.
        capacity: GiB.
        encrypt_type: 0 for none, 1 with the cloud's own key.
        options: as the caller gave them; None when never.
        nfs_acl: whether NFS access lists are in force.
        recycle_days: how long deleted files are kept; 0 when they are not.
        recycle_since: when that began; empty when it has not.
    """

    KIND = "file_system"
    ID = "file_system_id"

    file_system_id: str
    file_system_type: str
    storage_type: str
    protocol_type: str
    zone_id: str
    region_id: str
    description: str
    create_time: str
    capacity: int
    encrypt_type: int
    redundancy_type: str
    resource_group_id: str
    options: Any = inner(default=None)
    nfs_acl: bool = inner(default=False)
    recycle_days: int = inner(default=0)
    recycle_since: str = inner(default="")

    def wire(self) -> Json:
        """See Resource. VpcId is shown for CPFS alone, says Alibaba's client."""
        return {
            **super().wire(),
            "ChargeType": "PayAsYouGo",
            "KMSKeyId": "",
            "MeteredSize": 0,
            "Bandwidth": 0,
            "Version": "",
            "QuorumVswId": "",
            "VpcId": "",
            "ExpiredTime": "",
            "AccessPointCount": "0",
            "AutoSnapshotPolicyId": "",
            "Packages": {"Package": []},
            "SupportedFeatures": {"SupportedFeature": []},
            **({} if self.options is None else {"Options": self.options}),
            "Tags": self.wire_tags(),
        }


@dataclass(kw_only=True, eq=False)
class MountTarget(Changing):
    """A name under which machines of a vSwitch mount a file system.

    Attributes:
        access_group: name of the group that says who may.
        vsw_id: id of the vSwitch.
        file_system: id.
        file_system_type: standard or extreme.
        address: of the file system in the vSwitch.
    """

    KIND = "mount_target"
    ID = "mount_target_domain"

    mount_target_domain: str
    access_group: str
    vpc_id: str
    vsw_id: str
    file_system: str = inner()
    file_system_type: str = inner()
    address: str = inner()

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "NetworkType": "Vpc",
            "IPVersion": "ipv4",
            "Tags": {"Tag": []},
            "ClientMasterNodes": {"ClientMasterNode": []},
        }


@dataclass(kw_only=True, eq=False)
class AccessRule(Resource):
    """A range of addresses that may mount.

    Attributes:
        source_cidr_ip: IPv4 range; one of the two ranges is not empty.
        rw_access: RDWR or RDONLY.
        user_access: no_squash, root_squash or all_squash.
        priority: 1 to 100.
    """

    access_rule_id: str
    access_group_name: str
    file_system_type: str
    region_id: str
    source_cidr_ip: str = ""
    ipv6_source_cidr_ip: str = ""
    rw_access: str = "RDWR"
    user_access: str = "no_squash"
    priority: int = 1


@dataclass(kw_only=True, eq=False)
class AccessGroup(Resource):
    """Who may mount what it guards: file systems of one type.

    Attributes:
        rules: oldest first.
    """

    KIND = "access_group"

    access_group_name: str
    access_group_type: str
    file_system_type: str
    create_time: str
    description: str
    region_id: str
    rules: list[AccessRule] = inner(default_factory=list)

    @property
    def key(self) -> str:
        """Its name, which groups of each type of file system have for themselves."""
        return access_group_key(self.access_group_name, self.file_system_type)

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """See Document."""
        return cls(**{**stored, "rules": [AccessRule.load(rule) for rule in stored["rules"]]})


def access_group_key(name: str, file_system_type: str) -> str:
    """The key of a group."""
    return f"{name}:{file_system_type}"
