"""A moment before the weights are verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.machine import Machine, RemoteStep

FILES = Path(__file__).parent / "files"


class EarlyStart(pulumi.ComponentResource):
    """Done when the download beside it is expected to end within so many seconds, or has ended.

    What takes that long to prepare can begin then, and is ready when the weights are.
    """

    def __init__(
        self,
        name: str,
        *,
        writer: Machine,
        seconds: int,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the moment.

        Args:
            name: Pulumi name.
            writer: the machine that downloads.
            seconds: how long before the end.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:weights:EarlyStart", name, None, opts)
        RemoteStep(
            f"{writer.name}-weights-early-start",
            machine=writer,
            script=FILES / "early_start.sh",
            files={"early_start.py": FILES / "early_start.py"},
            environment={"SECONDS_BEFORE": str(seconds)},
            long=True,
            timeout=48 * 3600,
            after=after,
            parent=self,
        )
        self.register_outputs({})
