"""A workload as a process of the machine itself: what a container would have mounted is renamed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pulumi

from components.host import AcceleratorAccess, Host, Running, Workload
from components.machine import ProcessArgs, RemoteProcess

OWN = "/tandem"
"""Where workloads have the files of ours, in their own words."""
TEMPORARY = "/tmp"  # noqa: S108  # processes of one login share theirs, which process_supervisor.py makes


def run_process(
    host: Host, name: str, workload: Workload, access: AcceleratorAccess, *, opts: pulumi.ResourceOptions
) -> Running:
    """Declares it, once the host is prepared.

    Args:
        host: where.
        name: Pulumi name, and the process's on the machine.
        workload: its `image` are folders of programs, joined by `:`; empty for what every machine has.
        access: how it reaches accelerators.
        opts: parent and order.
    """
    process = RemoteProcess(
        name,
        machine=host.machine,
        args=ProcessArgs(
            argv=pulumi.Output.from_input(workload.command).apply(lambda words: [*workload.entrypoint, *words]),
            environment={**access.environment, **workload.environment},
            path=pulumi.Output.from_input(workload.image).apply(lambda folders: [f for f in folders.split(":") if f]),
            files={
                str(PurePosixPath(path).relative_to(OWN)): text.read_text() if isinstance(text, Path) else text
                for path, text in workload.files.items()
            },
            renames={
                OWN: "./files",
                **{m.target: m.source for m in workload.mounts if m.target not in (m.source, TEMPORARY)},
            },
            trigger=host.args.trigger,
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[host.prepared])),
    )
    return Running(pulumi.Output.from_input(name), process.id, process.done)
