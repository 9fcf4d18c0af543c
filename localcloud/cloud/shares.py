"""File systems as folders: which names mount them, and from where."""

from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import AccessGroup, MountTarget
from localcloud.cloud.model.nas import OPEN_GROUP, access_group_key

NOBODY = "255.255.255.255/32"  # no client: an empty list of clients would mean everybody


def publish(cloud: Cloud, file_system: str) -> None:
    """Gives the machines' side the mount targets of a file system and whom their groups let in."""
    targets = [
        target
        for target in cloud.store.all(MountTarget)
        if target.file_system == file_system and target.status not in ("Inactive", "Deleting")
    ]
    clients = sorted(
        {cidr for target in targets for cidr in _clients(cloud, target.access_group, target.file_system_type)}
    )
    cloud.backend.set_share(
        file_system, {target.mount_target_domain: target.address for target in targets}, clients or [NOBODY]
    )


def publish_group(cloud: Cloud, group: str) -> None:
    """The same for every file system that a group guards."""
    found = {target.file_system for target in cloud.store.all(MountTarget) if target.access_group == group}
    for file_system in sorted(found):
        publish(cloud, file_system)


def _clients(cloud: Cloud, group: str, kind: str) -> list[str]:
    if group == OPEN_GROUP:
        return ["0.0.0.0/0"]
    found = cloud.store.get(AccessGroup, access_group_key(group, kind))
    return [rule.source_cidr_ip for rule in found.rules if rule.source_cidr_ip] if found else []
