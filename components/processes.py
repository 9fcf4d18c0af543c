"""Workloads as processes of the machine itself: what a container's words mean where there are no containers."""

from __future__ import annotations

from pathlib import PurePosixPath

import pulumi

from components.host import Host
from components.machine import ProcessArgs, RemoteProcess
from components.workload import Running, Workload

OWN = "/tandem"
"""Where containers have the files of ours."""
HOST_FOLDER = "/var/lib/tandem"
"""Below it lies what outlives a container: here that is below the machine's own base."""
TEMPORARY = "/tmp"  # noqa: S108  # processes of one login share theirs, which process_supervisor.py makes


def run_process(name: str, *, host: Host, stack: str, args: Workload, opts: pulumi.ResourceOptions) -> Running:
    """Declares a process that is kept running on a host; `opts` gives parent and order.

    It sees the machine as it is: its files and what it would have mounted are renamed in its words.
    """
    environment = {**(host.access.environment if args.accelerated else {}), **args.environment}
    if args.accelerated:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=host.ready))
    process = RemoteProcess(
        name,
        machine=host.machine,
        stack=stack,
        args=ProcessArgs(
            argv=pulumi.Output.from_input(args.command).apply(lambda words: [*args.entrypoint, *words]),
            environment=environment,
            path=pulumi.Output.from_input(args.image).apply(lambda folders: [f for f in folders.split(":") if f]),
            files={str(PurePosixPath(path).relative_to(OWN)): text for path, text in args.files.items()},
            renames={OWN: "./files", **_renames(args, host.machine.base)},
            check=host.check,
        ),
        opts=opts,
    )
    return Running(pulumi.Output.from_input(name), process.id, process.done)


def _renames(args: Workload, base: str) -> dict[str, str]:
    found = {}
    for mount in args.mounts:
        source, target = mount.split(":")[:2]
        if target not in (source, TEMPORARY):
            found[target] = base + source.removeprefix(HOST_FOLDER) if source.startswith(HOST_FOLDER) else source
    return found
