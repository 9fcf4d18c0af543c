"""Ports: which listen, who holds them, who reaches them."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.doctor.evidence import Evidence
from stacks.doctor.external_probe import within
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning
from stacks.doctor.machine_probe import has_firewall
from stacks.settings.ports import Ports, of_machine


def listening(evidence: Evidence) -> Iterator[Problem]:
    """Whether the URL and the engine listen."""
    if "apiUrl" not in evidence.stack.outputs:
        raise NotCheckedError("no `pulumi up` has come to the end yet")
    settings = evidence.settings
    for place, found in evidence.facts("listening"):
        if place.number is None:
            continue
        for one in of_machine(settings, place.number):
            if str(one.first) not in found["open"] and _always(one):
                yield error(
                    place.name,
                    f"nothing listens at port {one.first} ({one.setting}), where {one.purpose} is",
                    f"make logs STACK={evidence.stack.name} SINCE=10m shows why",
                )


def _always(one: Ports) -> bool:
    """What listens as long as the deployment serves; other ports are for a part of its life, or out of a range."""
    return one.setting in ("gateway.port", "serving.port", "webui.port", "webui.innerPort", "serving.groupPort") or (
        one.setting == "serving.rayPort" and one.where == "first"
    )


def taken(evidence: Evidence) -> Iterator[Problem]:
    """Whether a port of the deployment is held by somebody else."""
    _ = evidence.settings  # name the ports
    for place, found in evidence.facts("listening"):
        if found["taken"]:
            cause, _, remedy = found["taken"].partition("; ")
            yield error(place.name, cause, remedy)


def loopback(evidence: Evidence) -> Iterator[Problem]:
    """Whether the engine's own API listens on loopback alone."""
    port = str(evidence.settings.serving.port)
    heads = [(place, found) for place, found in evidence.facts("listening") if place.number == 0]
    if not any(port in found["open"] for _, found in heads):
        raise NotCheckedError("the engine does not listen" if heads else "the first machine does not tell")
    for place, found in heads:
        if found["open"].get(port) is False:
            yield error(
                place.name,
                f"the engine's port {port} listens on more than loopback, where no key is asked for",
                "take --host out of serving.arguments",
            )


def table(evidence: Evidence) -> Iterator[Problem]:
    """Whether the machines' own firewall is loaded, and comes back after a reboot."""
    if not has_firewall(evidence.stack):
        raise NotApplicableError
    up, facts = f"pulumi up --stack {evidence.stack.name}", evidence.facts("firewall")
    if not evidence.stack.outputs.get("apiUrl") and not any(found and found["made"] for _, found in facts):
        raise NotCheckedError("no `pulumi up` has come to the end yet")
    for place, found in facts:
        if not found or not found["made"]:
            if evidence.stack.outputs.get("apiUrl"):
                yield error(place.name, "no firewall was made, and firewall.enabled is true", up)
        elif not found["loaded"]:
            yield error(
                place.name,
                "the firewall's table is not loaded, so everybody reaches inner ports",
                f"systemctl restart firewall-{evidence.stack.full}.service",
            )
        elif found["unit"] != "enabled" or not found["confirmed"]:
            yield warning(
                place.name,
                "the firewall will not come back after a reboot",
                f"systemctl enable firewall-{evidence.stack.full}.service",
            )


def closed(evidence: Evidence) -> Iterator[Problem]:
    """Whether inner ports are closed to this computer, which is no machine of the deployment."""
    settings = evidence.settings
    if settings.platform == "hosts" and not has_firewall(evidence.stack):
        raise NotApplicableError
    if within(set(evidence.here), settings.firewall.allowed_cidrs) or evidence.here & {
        p.peer_address for p in evidence.places
    }:
        raise NotCheckedError("this computer is one that may reach them")
    loaded = {place.name for place, found in evidence.facts("firewall") if found and found["loaded"]}
    if settings.platform == "hosts" and not loaded:
        raise NotCheckedError("no machine has the firewall that closes them")
    for name, ports in sorted(evidence.seen("inner").items()):
        if settings.platform == "hosts" and name not in loaded:
            continue  # ports.firewall says why
        said = ", ".join(map(str, sorted(ports)))
        yield error(
            name,
            f"this computer reaches its inner ports {said}, which are for the machines alone",
            f"pulumi up --stack {evidence.stack.name}, which closes them; anybody there can run code on the machine",
        )


CHECKS = (
    Check("ports.listening", "the URL, the engine, the page and Ray's head listen", listening),
    Check("ports.taken", "no port of the deployment is held by somebody else", taken),
    Check("ports.loopback", "the engine's own API listens on loopback alone", loopback),
    Check("ports.firewall", "the machines' own firewall is loaded, and comes back after a reboot", table),
    Check("ports.closed", "inner ports are closed to this computer", closed),
)
