"""A lease on one machine, as the platform's own code reaches it, a step there, and a container by Docker's provider."""

from __future__ import annotations

import pulumi

from components.host import HostArgs, Workload
from components.machine import Lease
from components.runtime import DockerHost
from stacks.load_settings import load, secret
from stacks.platforms import hosts

loaded = load()
(bare,) = hosts.machines(
    loaded,
    "tandem-logins",
    DockerHost.installation(),
    passphrase=secret("sshKeyPassphrase"),
    sudo_password=secret("sudoPassword"),
)
machine = Lease("far-lease", machine=bare, cleanup={"MOUNT_POINT": loaded.storage.folder}).machine
host = DockerHost(
    "far",
    machine=machine,
    args=HostArgs(
        peer=machine.peer_address,
        storage_server=loaded.storage.server or "",
        storage_export=loaded.storage.export,
        mount_point=loaded.storage.folder,
        mount_options="vers=3,nolock",
        disk_minimum_gib=1,
    ),
)
container = host.run(
    "far-it",
    Workload(image="tiny:1", entrypoint=["/bin/sleep"], command=["100000"]),
    opts=pulumi.ResourceOptions(depends_on=[host.prepared]),
)
pulumi.export("container", container.id)
pulumi.export("ssh", hosts.ssh_command(loaded.ssh, loaded.machines[0]))
