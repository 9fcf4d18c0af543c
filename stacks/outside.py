"""The way outside, from settings and secrets to what machines are told."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pulumi

from components.host import Outside, RegistryLogin
from stacks.registry_schema import RegistryAuth

if TYPE_CHECKING:
    from stacks.schema import Settings


@dataclass(frozen=True)
class Passwords:
    """Secrets of the way outside; None for those that nobody gave."""

    registry: pulumi.Output[str] | None = None
    proxy: pulumi.Output[str] | None = None


def outside_of(settings: Settings, passwords: Passwords, inside: Sequence[pulumi.Input[str]]) -> Outside:
    """What every machine is told.

    Args:
        settings: checked settings.
        passwords: the secrets.
        inside: the machines' own addresses, and the storage's.
    """
    mirrors, images = settings.mirrors, settings.images
    return Outside(
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
    images = [settings.engine_image, settings.images.gateway, settings.webui.image if settings.webui.enabled else ""]
    found = [registry_of(image) for image in images if image]
    found += [login.address for login in settings.images.registry_auth]
    found += [urlsplit(url).netloc.rpartition("@")[2] for url in settings.mirrors.registry_mirrors]
    return list(dict.fromkeys(host for host in found if host))


def registry_of(image: str) -> str:
    """The registry that an image's name begins with; empty for Docker Hub's."""
    first, slash, _ = image.partition("/")
    return first if slash and (set(first) & set(".:") or first == "localhost") else ""


def registry_problems(logins: Sequence[RegistryAuth], password: str | None) -> list[str]:
    """What is wrong between logins and their secret, one sentence each."""
    if password and not logins:
        return ["registryPassword: there is no images.registryAuth that it belongs to; give address and username there"]
    known = _by_address(password or "")
    missing = [login.address for login in logins if not (known or password) or (known and login.address not in known)]
    if len(logins) > 1 and password and not known:
        return [
            "registryPassword: there are several logins in images.registryAuth; give an object with each address, "
            '`pulumi config set --secret registryPassword \'{"HOST": "PASSWORD", ...}\'`'
        ]
    return [
        f"registryPassword: has no password for {address}; give it by `pulumi config set --secret registryPassword`, "
        "or take the login out of images.registryAuth"
        for address in missing
    ]


def _by_address(password: str) -> dict[str, str]:
    """Passwords by registry, where the secret is an object of them; a password that looks like JSON is none."""
    try:
        found = json.loads(password)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _password(told: pulumi.Output[str] | None, address: str) -> pulumi.Output[str]:
    if told is None:
        nothing: pulumi.Output[str] = pulumi.Output.secret("")
        return nothing
    return told.apply(lambda text: _by_address(text).get(address, "") if _by_address(text) else text)


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
