"""Settings of the folder that all machines share."""

from __future__ import annotations

from pydantic import Field

from stacks.settings.base import SettingsModel
from stacks.settings.ssh import Address
from stacks.settings.text_types import AbsolutePath, MountOptions, MountPoint


class StorageSettings(SettingsModel):
    """The folder that all machines share."""

    server: Address | None = Field(None, description="platform hosts: the NFS server, by name or address")
    export: AbsolutePath = Field("/", description="exported folder")
    mount_point: MountPoint = Field("/mnt/tandem", description="where it is mounted on each machine")
    path: AbsolutePath | None = Field(
        None,
        description="platform hosts: a folder that is on every machine already: a drive that all share, or with "
        "model.source path a copy of the weights on each",
    )
    options: MountOptions = Field(
        "vers=3,nolock,proto=tcp,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport",
        description="mount options (these are the ones Alibaba Cloud NAS asks for)",
    )

    @property
    def folder(self) -> str:
        """The shared folder on each machine."""
        return self.path or self.mount_point
