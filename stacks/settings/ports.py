"""Every port a deployment listens on, in one table: whose, on which machines, and the setting that moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.ray import RayPorts
from components.serving import find_engine
from stacks.settings.gateway import ACME_PORT
from stacks.settings.stack import Settings


@dataclass(frozen=True)
class Ports:
    """A port, or a row of them.

    Attributes:
        setting: moves it.
        first: the lowest.
        last: the highest.
        purpose: what listens there.
        where: on which machines it listens.
        public: who reaches it is said by settings of its own; all other ports are for the machines alone.
    """

    setting: str
    first: int
    last: int
    purpose: str
    where: Literal["first", "others", "all"]
    public: bool = False

    @property
    def span(self) -> str:
        """`FIRST`, or `FIRST-LAST`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def meets(self, other: Ports) -> bool:
        """Whether a machine would need a port for both."""
        apart = {self.where, other.where} == {"first", "others"}
        return not apart and self.first <= other.last and other.first <= self.last


def table(settings: Settings) -> list[Ports]:
    """What listens on the machines of a deployment."""
    serving, webui, team = settings.serving, settings.webui, settings.gateway.team
    engine = find_engine(serving.engine, serving.executor)
    several = len(settings.accelerators) > 1
    found = [
        Ports("gateway.port", settings.gateway.port, settings.gateway.port, "the URL", "first", public=True),
        Ports("serving.port", serving.port, serving.port, "the engine's API, on loopback", "first"),
    ]
    if settings.gateway.tls.mode == "acme":
        found.append(Ports("gateway.tls", ACME_PORT, ACME_PORT, "ACME's proof", "first", public=True))
    if webui.enabled:
        found += [
            Ports("webui.port", webui.port, webui.port, "the page", "first", public=True),
            Ports("webui.innerPort", webui.inner_port, webui.inner_port, "the page itself, on loopback", "first"),
        ]
    if settings.monitoring.enabled:
        first, exporter = settings.monitoring.first_port, settings.monitoring.exporter_port
        found += [
            Ports("monitoring.firstPort", first, first + 4, "monitoring, on loopback", "first"),
            Ports("monitoring.exporterPort", exporter, exporter + 1, "monitoring's exporters", "all"),
        ]
    if team.enabled:
        found += [
            Ports(
                "gateway.team.port", team.port, team.port, "LiteLLM's page", "first", public=bool(team.allowed_cidrs)
            ),
            Ports("gateway.team.innerPort", team.inner_port, team.inner_port, "LiteLLM, on loopback", "first"),
            Ports(
                "gateway.team.databasePort", team.database_port, team.database_port, "PostgreSQL, on loopback", "first"
            ),
        ]
    if engine.ray_resource:
        ray = ray_ports(settings)
        found += [
            Ports("serving.rayPort", ray.gcs, ray.gcs + ray.COUNT - 1, "Ray's services", "all"),
            Ports("serving.rayWorkerPorts", ray.worker_first, ray.worker_last, "Ray's workers", "all"),
        ]
    else:
        found.append(
            Ports("serving.groupPort", serving.group_port, serving.group_port, "the supervisors of a group", "first")
        )
        last = engine.port_count(settings.serve_args, settings.accelerators) - 1
        for purpose, number in engine.ports.items() if several or last else ():
            port = serving.engine_port or number
            where: Literal["first", "others"] = "first" if purpose == "rendezvous" else "others"
            found.append(Ports("serving.enginePort", port, port + last, f"{serving.engine}'s {purpose}", where))
    if settings.collective:
        port = serving.collective_port
        found.append(Ports("serving.collectivePort", port, port, "the collective", "first"))
    return found


def ray_ports(settings: Settings) -> RayPorts:
    """Ray's ports."""
    return RayPorts.starting_at(settings.serving.ray_port, settings.serving.ray_workers)


def of_machine(settings: Settings, number: int) -> list[Ports]:
    """What listens on a machine, the first one being 0."""
    places = ("all", "others") if number else ("all", "first")
    return [one for one in table(settings) if one.where in places]
