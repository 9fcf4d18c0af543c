"""Load on the engine once it answers, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi

from components.benchmark.levels import Mode, as_words, longest
from components.host import Host
from components.machine import RemoteStep

FILES = Path(__file__).parent / "files"
PROGRAMS = {
    "benchmark.sh": FILES / "benchmark.sh",
    "benchmark_result.py": FILES / "benchmark_result.py",
    "inference_probe.py": FILES.parents[1] / "serving" / "files" / "inference_probe.py",
}
"""What measures, by the name it has on the machine; `Host.step_files` comes beside it."""


class Benchmark(pulumi.ComponentResource):
    """Measures again only when a container of the engine has changed, or how much is measured.

    Fails for nothing that the engine or the load on it does: that stands in the result.

    Attributes:
        measured: what files/benchmark_result.py has found, with the arguments; record.py keeps it.
    """

    measured: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        engine: str,
        container: pulumi.Input[str],
        version: pulumi.Input[str],
        arguments: pulumi.Input[Sequence[str]],
        mode: Mode,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares it.

        Args:
            name: Pulumi name.
            host: the machine with the engine's API.
            engine: as settings call it.
            container: the workload with the first rank.
            version: changes whenever the engine has.
            arguments: how the engine serves, for the record.
            mode: how much is measured.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:benchmark:Benchmark", name, None, opts)
        step = RemoteStep(
            f"{host.machine.name}-{name}",
            machine=host.machine,
            script=PROGRAMS["benchmark.sh"],
            files={**host.step_files, **{n: file for n, file in PROGRAMS.items() if n != "benchmark.sh"}},
            environment={
                "CONTAINER": container,
                "CONTAINERS": version,
                "ENGINE": engine,
                "ARGUMENTS_KNOWN": "yes",
                **as_words(mode),
            },
            long=True,
            timeout=longest(mode) + 600,
            after=after,
            parent=self,
        )
        # Some arguments may be secret, and what comes back from a machine is not: these are the program's own.
        self.measured = pulumi.Output.all(step.result, arguments).apply(
            lambda known: {**json.loads(known[0].get("measured", "{}")), "arguments": list(known[1])}
        )
        self.register_outputs({"measured": self.measured})
