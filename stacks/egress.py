"""Egress, from settings and secrets to arguments of every machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from components.host import Egress, RegistryLogin
from stacks.settings.registry import passwords_by_registry
from stacks.settings.stack import Settings


@dataclass(frozen=True)
class Passwords:
    """Secrets for egress; None for those that nobody gave."""

    registry: pulumi.Output[str] | None = None
    proxy: pulumi.Output[str] | None = None


def egress_of(settings: Settings, passwords: Passwords, inside: Sequence[pulumi.Input[str]]) -> Egress:
    """Arguments of every machine.

    Args:
        settings: checked settings.
        passwords: the secrets.
        inside: the machines' own addresses, and the storage's.
    """
    mirrors, images = settings.mirrors, settings.images
    return Egress(
        proxies=mirrors.proxies,
        password=passwords.proxy,
        inside=inside,
        direct=[*_private(settings), *mirrors.no_proxy],
        authority=mirrors.authority,
        authority_hosts=registries(settings),
        logins=[
            RegistryLogin(login.address, login.username, _password(passwords.registry, login.address))
            for login in images.registry_auth
        ],
    )


def registries(settings: Settings) -> list[str]:
    """Registries that images come from or are mirrored at, `host` or `host:port`; Docker Hub is none of them."""
    monitoring, team = settings.monitoring, settings.gateway.team
    images = [settings.engine_image, settings.images.gateway, settings.webui.image if settings.webui.enabled else ""]
    images += [team.image, team.database_image] if team.enabled else []
    if monitoring.enabled:
        images += [monitoring.prometheus_image, monitoring.alertmanager_image, monitoring.node_exporter_image]
        images += [monitoring.grafana_image] if monitoring.grafana else []
        images += [monitoring.gpu_exporter_image] if settings.accelerator.kind == "nvidia" else []
    found = [registry_of(image) for image in images if image]
    found += [login.address for login in settings.images.registry_auth]
    found += [urlsplit(url).netloc.rpartition("@")[2] for url in settings.mirrors.registry_mirrors]
    return list(dict.fromkeys(host for host in found if host))


def registry_of(image: str) -> str:
    """The registry that an image's name begins with; empty for Docker Hub's."""
    first, slash, _ = image.partition("/")
    return first if slash and (set(first) & set(".:") or first == "localhost") else ""


def _password(given: pulumi.Output[str] | None, address: str) -> pulumi.Output[str]:
    if given is None:
        nothing: pulumi.Output[str] = pulumi.Output.secret("")
        return nothing

    def own(text: str) -> str:
        known = passwords_by_registry(text)
        return known.get(address, "") if known else text

    return given.apply(own)


def _private(settings: Settings) -> list[str]:
    """Hosts of the settings that no proxy leads to: private addresses, and registries inside one's own network."""
    mirrors = settings.mirrors
    urls = [mirrors.pip, settings.model.endpoint, settings.accelerator.toolkit_repository, *mirrors.registry_mirrors]
    hosts = [urlsplit(url).hostname or "" for url in urls if url]
    hosts += [name.partition(":")[0] for name in registries(settings)]
    inner = [name.partition(":")[0] for name in mirrors.insecure_registries]
    return [*inner, *(host for host in hosts if _is_private(host))]


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
