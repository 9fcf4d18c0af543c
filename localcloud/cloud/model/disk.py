"""Disks."""

from dataclasses import dataclass

from localcloud.cloud.model.document import Resource
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class Disk(Resource):
    """A disk that a machine was made with.

    Attributes:
        type: system or data.
        category: cloud_essd and others, of the catalog.
        size: GiB.
        device: its name in the machine, such as /dev/xvda.
        performance_level: PL0 to PL3 of an ESSD; empty for other categories.
        provisioned_iops: beyond the level's own.
    """

    KIND = "disk"
    ID = "disk_id"
    TAG_NAMES = ("TagKey", "TagValue")

    disk_id: str
    instance_id: str
    type: str
    category: str
    size: int
    disk_name: str
    description: str
    region_id: str
    zone_id: str
    image_id: str
    device: str
    encrypted: bool
    performance_level: str
    auto_snapshot_policy_id: str
    bursting_enabled: bool
    provisioned_iops: int
    storage_cluster_id: str
    delete_with_instance: bool
    creation_time: str
    attached_time: str
    resource_group_id: str
    delete_auto_snapshot: bool = True

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "Status": "In_use",
            "KMSKeyId": "",
            "Portable": False,
            "EnableAutoSnapshot": True,
            "DiskChargeType": "PostPaid",
            "MultiAttach": "Disabled",
            "SourceSnapshotId": "",
            "OperationLocks": {"OperationLock": []},
            "Tags": self.wire_tags(),
        }
