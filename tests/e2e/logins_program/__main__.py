"""A lease on one machine, as the platform's own code reaches it, a step there, and a container by Docker's provider."""

from __future__ import annotations

import pulumi

from components.containers import run_container
from components.host import Host, HostArgs
from components.machine import Lease
from components.workload import Workload
from stacks import settings
from stacks.platforms import hosts

STACK = "tandem-logins"
told = settings.load()
(bare,) = hosts.machines(
    told, passphrase=settings.secret("sshKeyPassphrase"), sudo_password=settings.secret("sudoPassword")
)
machine = Lease("far-lease", machine=bare, stack=STACK, leave={"MOUNT_POINT": told.storage.folder}).machine
host = Host(
    "far",
    machine=machine,
    stack=STACK,
    args=HostArgs(
        peer=machine.peer_address,
        storage_server=told.storage.server or "",
        storage_export=told.storage.export,
        mount_point=told.storage.folder,
        mount_options="vers=3,nolock",
        disk_minimum_gib=1,
    ),
)
container = run_container(
    "far-it",
    host=host,
    stack=STACK,
    args=Workload(image="tiny:1", entrypoint=["/bin/sleep"], command=["100000"]),
    opts=pulumi.ResourceOptions(depends_on=[host.storage, host.packages]),
)
pulumi.export("container", container.id)
pulumi.export("ssh", hosts.ssh(told, machine))
