"""The gateway of a deployment: its keys and certificate from settings and secrets, and Caddy before the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pulumi

from components.gateway import Config, Gateway, Monitored, Page, Tls
from components.gateway.certificate import make_pair
from components.host import Host
from components.machine import GeneratedSecret
from stacks.programs import gateway_programs
from stacks.settings.gateway import DEFAULT_KEY
from stacks.settings.stack import Settings


@dataclass(frozen=True)
class GatewaySecrets:
    """What the user gives as secrets.

    Attributes:
        api_key: the key `default`; None to have one made.
        api_keys: more keys by name, of those in `gateway.keys` that aren't made.
        tls_key: of the user's own certificate; None without one.
        monitoring: password of monitoring's login; None without monitoring.
        team_key: LiteLLM's master key; None to have one made.
        team_salt_key: what LiteLLM encrypts with; None to have one made.
    """

    api_key: pulumi.Output[str] | None = None
    api_keys: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    tls_key: pulumi.Output[str] | None = None
    monitoring: pulumi.Output[str] | None = None
    team_key: pulumi.Output[str] | None = None
    team_salt_key: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class Front:
    """The gateway, and what whoever asks it must know.

    Attributes:
        gateway: the component.
        keys: API keys by name, secrets.
        authority: what clients verify the certificate with, PEM; empty for a public authority, or without TLS.
    """

    gateway: Gateway
    keys: dict[str, pulumi.Output[str]]
    authority: pulumi.Output[str]

    @property
    def key(self) -> pulumi.Output[str]:
        """The key `default`."""
        return self.keys[DEFAULT_KEY]


def make_gateway(
    settings: Settings,
    *,
    host: Host,
    secrets: GatewaySecrets,
    task: pulumi.Input[str],
    monitored: Monitored | None = None,
) -> Front:
    """Caddy on the host."""
    own, webui, team = settings.gateway, settings.webui, settings.gateway.team
    keys = _keys(settings, secrets)
    tls, authority = _tls(settings, host, secrets.tls_key)
    gateway = Gateway(
        "gateway",
        host=host,
        image=host.prepare("gateway", gateway_programs(settings)).id,
        config=Config(
            keys={},
            port=own.port,
            engine_port=settings.serving.port,
            allowed_cidrs=own.allowed_cidrs,
            metrics_cidrs=own.metrics_cidrs,
            cors_origins=own.cors_origins,
            more_paths=own.paths,
            max_request_mib=own.max_request_mib,
            access_log=own.access_log,
            page=Page(webui.port, webui.inner_port, webui.allowed_cidrs) if webui.enabled else None,
            monitored=monitored,
            team=Page(team.port, team.inner_port, team.allowed_cidrs) if team.enabled else None,
        ),
        keys=keys,
        task=task,
        tls=tls,
        monitoring_password=secrets.monitoring or "",
        url=own.url,
    )
    return Front(gateway, keys, authority)


def scheme(settings: Settings) -> str:
    """Of all that the gateway answers."""
    return "http" if settings.gateway.tls.mode == "none" else "https"


def _keys(settings: Settings, secrets: GatewaySecrets) -> dict[str, pulumi.Output[str]]:
    """Given ones as they are, the others made."""
    given = {**secrets.api_keys, **({DEFAULT_KEY: secrets.api_key} if secrets.api_key is not None else {})}
    made = {DEFAULT_KEY: "api-key", **{name: f"api-key-{name}" for name in settings.gateway.keys}}
    return {name: given[name] if name in given else GeneratedSecret(resource).value for name, resource in made.items()}


def _tls(
    settings: Settings, host: Host, tls_key: pulumi.Output[str] | None
) -> tuple[pulumi.Output[Tls], pulumi.Output[str]]:
    """The certificate, a secret, and what clients verify it with."""
    wanted = settings.gateway.tls
    authority = pulumi.Output.from_input(_read(wanted.ca_file))
    if wanted.mode == "none":
        return pulumi.Output.from_input(Tls()), authority
    if wanted.mode == "acme":
        acme = Tls(
            "acme",
            name=wanted.domain or "",
            directory=wanted.directory or "",
            email=wanted.email or "",
            root=_read(wanted.directory_ca_file),
        )
        return pulumi.Output.from_input(acme), authority
    if wanted.mode == "files":
        certificate = _read(wanted.certificate_file)
        given = pulumi.Output.from_input(tls_key or "").apply(lambda key: Tls("given", certificate, key))
        return pulumi.Output.secret(given), authority
    seed = GeneratedSecret("gateway-tls").value
    outside = [
        urlsplit(url).hostname for url in (settings.gateway.url, settings.webui.url, settings.gateway.team.url) if url
    ]
    names = pulumi.Output.all(host.machine.address, host.machine.peer_address)
    pair = pulumi.Output.all(seed, names).apply(
        lambda both: make_pair(
            both[0],
            host.machine.stack,
            [*filter(None, (*outside, *both[1])), "localhost", "127.0.0.1"],
            wanted.generation,
        )
    )
    tls = pulumi.Output.all(pair, host.machine.address).apply(
        lambda both: Tls("given", both[0].certificate, both[0].key, name=both[1])
    )
    return pulumi.Output.secret(tls), pulumi.Output.unsecret(pair.apply(lambda made: made.authority))


def _read(file: str | None) -> str:
    return Path(file).expanduser().read_text() if file else ""
