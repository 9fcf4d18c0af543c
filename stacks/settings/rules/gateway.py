"""TLS before whatever leaves a machine, and a port that a certificate authority can ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from components.gateway import TEAM
from stacks.settings.errors import Mistake
from stacks.settings.gateway import ACME_PORT
from stacks.settings.stack import Settings

PRIVATE = [
    ipaddress.IPv4Network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16")
]
"""Ranges that no packet of the internet comes from (RFC 1918, 1122, 6598, 3927)."""


def gateway_mistakes(settings: Settings) -> Iterator[Mistake]:
    """What the gateway and other settings don't allow together."""
    gateway, webui, team = settings.gateway, settings.webui, settings.gateway.team
    mode = gateway.tls.mode
    if team.enabled:
        yield from _of_team(settings)
    if mode == "none":
        for name, url, ranges, on in (
            ("gateway", gateway.url, gateway.allowed_cidrs, True),
            ("webui", webui.url, webui.allowed_cidrs, webui.enabled),
            ("gateway.team", team.url, team.allowed_cidrs, team.enabled),
        ):
            if on and not (url or "").startswith("https://") and not _private(ranges):
                yield Mistake(
                    f"gateway.tls: none would send keys and prompts in clear; set it to pinned, or {name}.url to the "
                    f"https:// address of whoever has TLS before it, or {name}.allowedCidrs to private ranges"
                )
        return
    for name, url in (("gateway", gateway.url), ("webui", webui.url), ("gateway.team", team.url)):
        if url and url.startswith("http://"):
            yield Mistake(
                f"{name}.url: begins with http:// and the port behind it speaks TLS; write https://, or set "
                "gateway.tls: none where somebody else has TLS before it"
            )
    if mode == "acme" and settings.runtime == "native" and settings.ssh.user != "root":
        yield Mistake(
            f"gateway.tls: acme is proven on port {ACME_PORT}, which the login {settings.ssh.user} may not open; set "
            "it to pinned, or to files"
        )


def _of_team(settings: Settings) -> Iterator[Mistake]:
    team, model = settings.gateway.team, settings.model.name
    if settings.runtime == "native":
        yield Mistake(
            "gateway.team: LiteLLM reaches PostgreSQL by Prisma's engines, programs that are in its image and in no "
            "package; set runtime: docker, or take it out and run LiteLLM elsewhere, as a client of the URL"
        )
    if TEAM in settings.gateway.keys:
        yield Mistake(f"gateway.keys: {TEAM} is what the log calls all virtual keys with gateway.team; rename it")
    if model in team.aliases:
        yield Mistake(f"gateway.team.aliases: {model} is the model's own name; take it out")


def _private(ranges: Sequence[str]) -> bool:
    networks = [ipaddress.IPv4Network(cidr) for cidr in ranges]
    return all(any(network.subnet_of(private) for private in PRIVATE) for network in networks)
