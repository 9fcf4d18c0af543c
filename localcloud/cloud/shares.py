"""File systems as folders: which names mount them, and from where."""

from localcloud.cloud.cloud import Cloud

OPEN_GROUP = "DEFAULT_VPC_GROUP_NAME"
NOBODY = "255.255.255.255/32"  # an empty list of clients would mean everybody


def publish(cloud: Cloud, file_system: str) -> None:
    """Tells the machines' side the mount targets of a file system and whom their groups let in."""
    targets = [
        target
        for target in cloud.store.all("mount_target")
        if target["_file_system"] == file_system and target["Status"] not in ("Inactive", "Deleting")
    ]
    clients = sorted({cidr for target in targets for cidr in _clients(cloud, target["AccessGroup"], target["_kind"])})
    cloud.backend.set_share(
        file_system, {target["MountTargetDomain"]: target["_address"] for target in targets}, clients or [NOBODY]
    )


def publish_group(cloud: Cloud, group: str) -> None:
    """The same for every file system that a group guards."""
    found = {target["_file_system"] for target in cloud.store.all("mount_target") if target["AccessGroup"] == group}
    for file_system in sorted(found):
        publish(cloud, file_system)


def _clients(cloud: Cloud, group: str, kind: str) -> list[str]:
    if group == OPEN_GROUP:
        return ["0.0.0.0/0"]
    document = cloud.store.get("access_group", f"{group}:{kind}")
    return [rule["SourceCidrIp"] for rule in document["_rules"] if rule["SourceCidrIp"]] if document else []
