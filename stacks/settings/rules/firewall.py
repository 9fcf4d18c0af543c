"""Inner ports are closed on every platform, by whatever it has for that."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from components.serving import find_engine
from stacks.settings.errors import Mistake
from stacks.settings.firewall import FirewallSettings
from stacks.settings.stack import Settings


def firewall_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Who closes inner ports, and that somebody does."""
    firewall = settings.firewall
    if settings.platform == "alicloud":
        if firewall != FirewallSettings():  # type: ignore[call-arg]  # every field has a default
            yield Mistake(
                "firewall: is for machines that exist already; on Alibaba Cloud security groups close inner ports: "
                "take it out"
            )
        return
    if firewall.allowed_cidrs and (settings.runtime == "native" or not firewall.enabled):
        why = "firewall.enabled is false" if not firewall.enabled else "runtime native makes no firewall, without root"
        yield Mistake(f"firewall.allowedCidrs: {why}; take it out")
    if settings.runtime == "native" and firewall.enabled and (found := public_peers(settings)):
        name, address = found[0]
        yield Mistake(
            f"machines: {name}'s privateAddress is {address}, a public address, where anybody could run code through "
            "the ports that machines use among themselves, which runtime native can't close without root; give an "
            "address of a private network, or close them by other means and set firewall.enabled: false"
        )


def public_peers(settings: Settings) -> list[tuple[str, str]]:
    """Name and address of machines that others would reach by a public address, if anything listens for them."""
    engine = find_engine(settings.serving.engine, settings.serving.executor)
    if len(settings.machines) < 2 and not engine.ray_resource:
        return []
    return [(each.name, each.peer_address) for each in settings.machines if _public(each.peer_address)]


def _public(address: str) -> bool:
    try:
        return ipaddress.IPv4Address(address).is_global
    except ValueError:  # a name, which says nothing
        return False
