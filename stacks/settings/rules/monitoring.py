"""What monitoring can't be had with."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings

PROGRAMS = "prometheus, alertmanager and node_exporter"


def monitoring_mistakes(settings: Settings) -> Iterator[Mistake]:
    """What monitoring and other settings don't allow together."""
    section = settings.monitoring
    if not section.enabled:
        return
    if settings.runtime == "native":
        if section.grafana:
            yield Mistake(
                "monitoring.grafana: Grafana is run from its image only; set it to false with runtime native, where "
                "Prometheus' own pages are behind the login"
            )
        if not settings.native.path:
            yield Mistake(
                f"native.path: is missing; monitoring needs {PROGRAMS} on the machines, which no pip package has: name "
                "the folder that they are in"
            )
    if section.npu_exporter_port and settings.accelerator.kind != "ascend":
        yield Mistake("monitoring.npuExporterPort: is for accelerator.kind ascend; take it out")
