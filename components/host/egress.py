"""Egress: how a machine reaches registries, hubs and mirrors, by proxies, authorities and logins of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pulumi

from components.machine import Machine, RemoteStep

FILES = Path(__file__).parent / "files"
DOCKER_HUB = {"docker.io", "index.docker.io", "hub.docker.com", "registry.hub.docker.com"}


@dataclass(frozen=True)
class RegistryLogin:
    """A login of a registry, `host` or `host:port` as images name it; the password is a secret."""

    address: str
    username: str
    password: pulumi.Input[str]

    @property
    def provider_address(self) -> str:
        """As Docker's provider knows the registry."""
        return "registry-1.docker.io" if self.address in DOCKER_HUB else self.address


@dataclass(frozen=True)
class Egress:
    """How a machine reaches what lies outside. The default is none: it is reached directly.

    Attributes:
        proxies: URL by scheme, `http` and `https`, without passwords.
        password: of whoever the proxies' URLs name, a secret.
        inside: machines and storage, which no proxy leads to; each machine adds itself.
        direct: other names, addresses and ranges that no proxy leads to, for Docker's pulls too.
        authority: certificates (PEM) that are trusted beside the machine's own.
        authority_hosts: registries that may show such a certificate, `host` or `host:port`.
        logins: of registries.
    """

    proxies: Mapping[str, str] = field(default_factory=dict)
    password: pulumi.Input[str] | None = None
    inside: Sequence[pulumi.Input[str]] = ()
    direct: Sequence[str] = ()
    authority: str = ""
    authority_hosts: Sequence[str] = ()
    logins: Sequence[RegistryLogin] = ()


def configure_egress(
    machine: Machine,
    egress: Egress,
    *,
    containers: bool,
    parent: pulumi.Resource,
) -> pulumi.Resource | None:
    """The step before all that fetch something; None where there is nothing to say."""
    if not egress.proxies and not egress.authority:
        return None
    inside = pulumi.Output.all(*egress.inside, *egress.direct).apply(
        lambda names: ",".join(dict.fromkeys(map(str, names)))
    )
    return RemoteStep(
        f"{machine.name}-egress",
        machine=machine,
        script=FILES / "egress.sh",
        environment={
            "PROXIES": " ".join(f"{scheme}={url}" for scheme, url in sorted(egress.proxies.items())),
            "INSIDE": inside,
            "DIRECT": ",".join(dict.fromkeys(egress.direct)),
            "AUTHORITY": egress.authority,
            "AUTHORITY_HOSTS": " ".join(egress.authority_hosts) if containers else "",
            "OWN": "yes" if machine.installation.root else "no",
            "CONTAINERS": "yes" if containers else "no",
        },
        secrets={
            f"{scheme.upper()}_PROXY_URL": with_password(egress.proxies.get(scheme, ""), egress.password)
            for scheme in ("http", "https")
        },
        timeout=300,
        parent=parent,
    ).done


def with_password(url: str, password: pulumi.Input[str] | None) -> pulumi.Output[str]:
    """The proxy's URL with the password of whoever it names; as it is where it names nobody."""
    parts = urlsplit(url)
    if password is None or not parts.username:
        return pulumi.Output.from_input(url)
    own = parts.netloc.rpartition("@")[2]
    return pulumi.Output.from_input(password).apply(
        lambda word: parts._replace(netloc=f"{parts.username}:{quote(word, safe='')}@{own}").geturl()
    )
