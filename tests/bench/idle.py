"""What a second `up` costs when no resource does anything."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.support.project import Project

RUNS = 5


def second_up(directory: Path, commands: int, components: int) -> float:
    """Median seconds of `pulumi up` with nothing changed, of a program whose resources do nothing.

    Args:
        directory: made for the project.
        commands: how many local.Command that run `true`: custom resources.
        components: how many empty components.
    """
    project = Project.make(directory).program(
        f"""
        import pulumi
        from pulumi_command import local
        for number in range({components}):
            pulumi.ComponentResource("bench:index:Nothing", f"component-{{number}}")
        for number in range({commands}):
            local.Command(f"command-{{number}}", create="true", update="true")
        """
    )
    project.up()
    taken = []
    for _ in range(RUNS):
        began = time.monotonic()
        project.pulumi("up", "--yes", "--skip-preview")
        taken.append(time.monotonic() - began)
    return statistics.median(taken)
