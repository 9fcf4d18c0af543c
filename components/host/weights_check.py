"""Weights in a folder that others have mounted, or of which each machine has a copy: the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.host.host import Host
from components.machine import RemoteStep

FILES = Path(__file__).parent / "files"


def check_weights(hosts: Sequence[Host], folder: pulumi.Input[str]) -> list[pulumi.Resource]:
    """Proof that what lies in the first machine's folder lies in every other machine's too, by names and sizes.

    Args:
        hosts: the first one's weights are verified.
        folder: where they lie, on all machines.
    """
    if len(hosts) == 1:
        return []
    head = hosts[0]
    listed = RemoteStep(
        f"{head.machine.name}-weights-listed",
        machine=head.machine,
        script=FILES / "weights_listing.sh",
        files={"weights_listing.py": FILES / "weights_listing.py"},
        environment={"FOLDER": folder, "LIST": "yes"},
        timeout=120,
        after=[head.prepared],
        parent=head,
    )
    return [
        RemoteStep(
            f"{host.machine.name}-weights-seen",
            machine=host.machine,
            script=FILES / "weights_listing.sh",
            files={"weights_listing.py": FILES / "weights_listing.py"},
            environment={"FOLDER": folder, "LISTED": listed.result.apply(lambda found: found.get("listed", ""))},
            timeout=120,
            after=[host.prepared],
            parent=host,
        ).done
        for host in hosts[1:]
    ]
