"""A moment before the weights are verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.remote import Machine, RemoteStep

FILES = Path(__file__).parent / "files"


class Nearly(pulumi.ComponentResource):
    """Done when the download beside it is expected to end within so many seconds, or has ended.

    What takes that long to prepare can begin then, and is ready when the weights are.
    """

    def __init__(
        self,
        name: str,
        *,
        writer: Machine,
        stack: str,
        seconds: int,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the moment.

        Args:
            name: Pulumi name.
            writer: the machine that downloads.
            stack: the deployment's own name on machines.
            seconds: how long before the end.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:models:Nearly", name, None, opts)
        RemoteStep(
            f"{writer.name}-weights-nearly",
            machine=writer,
            stack=stack,
            script=FILES / "nearly.sh",
            files={"nearly.py": FILES / "nearly.py"},
            environment={"SECONDS_BEFORE": str(seconds)},
            long=True,
            timeout=48 * 3600,
            after=after,
            parent=self,
        )
        self.register_outputs({})
