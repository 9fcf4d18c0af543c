"""Settings of the gateway: its port, TLS, keys, and what it lets through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stacks import versions
from stacks.settings.base import Name, Port, SettingsModel, check_cidrs
from stacks.settings.team import TeamSettings
from stacks.settings.text_types import Host, Requirement, Url

DEFAULT_KEY = "default"
"""The name of the key `apiKey`."""
ACME_PORT = 80
"""Where certificate authorities ask for the proof that a name is ours (RFC 8555, 8.3); they ask nowhere else."""


class TlsSettings(SettingsModel):
    """Where the certificate of the URL and of the page comes from."""

    mode: Literal["pinned", "files", "acme", "none"] = Field(
        "pinned",
        description="pinned: by the stack's own authority, which the output apiCa is; files: your own certificate; "
        "acme: from Let's Encrypt or another ACME server; none: no TLS, behind who has it",
    )
    generation: int = Field(1, ge=1, description="pinned: another number makes another authority and certificate")
    certificate_file: str | None = Field(
        None, description="files: the certificate on this computer, PEM, the leaf first; its key is the secret tlsKey"
    )
    ca_file: str | None = Field(
        None, description="files, acme: the authority that clients verify with, PEM, where it is no public one"
    )
    domain: Host | None = Field(
        None, description="acme: the name, or the public IPv4 address, that the certificate is for"
    )
    email: str | None = Field(
        None, pattern=r"^[^@\s]+@[A-Za-z0-9.-]+$", description="acme: where the ACME server's notices go"
    )
    directory: Url | None = Field(None, description="acme: the server's directory; Let's Encrypt's when left out")
    directory_ca_file: str | None = Field(
        None,
        description="acme: the authority that the ACME server itself is verified with, PEM, where it is no public one",
    )

    @model_validator(mode="after")
    def _whole(self) -> TlsSettings:
        mode = self.mode
        wanted = {"files": "certificateFile", "acme": "domain"}.get(mode)
        given = {(info.alias or name): getattr(self, name) for name, info in type(self).model_fields.items()}
        if wanted and not given[wanted]:
            raise ValueError(f".{wanted}: is missing; mode {mode} needs it")
        own = {
            "pinned": {"generation"},
            "files": {"certificateFile", "caFile"},
            "acme": {"domain", "email", "directory", "directoryCaFile", "caFile"},
            "none": set(),
        }[mode]
        for name, value in given.items():
            if name not in {"mode", *own} and value not in (None, 1):
                raise ValueError(f".{name}: has no meaning with mode {mode}; take it out")
        for name in ("certificateFile", "caFile", "directoryCaFile"):
            if given[name] and not Path(given[name]).expanduser().is_file():
                raise ValueError(f".{name}: there is no file {given[name]} on this computer")
        return self


class GatewaySettings(SettingsModel):
    """What the outside reaches."""

    port: Port = Field(8000, description="the port of the URL")
    url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._/-]*)?$",
        description="the URL from outside, such as https://host:24516, where somebody forwards it to gateway.port",
    )
    allowed_cidrs: tuple[str, ...] = Field(
        ("0.0.0.0/0",), description="who may use the URL; a key is asked for in any case"
    )
    tls: TlsSettings = TlsSettings()  # type: ignore[call-arg]  # every field has a default
    keys: tuple[Name, ...] = Field(
        (), description="names of more API keys; each is made, or given in the secret apiKeys"
    )
    metrics_cidrs: tuple[str, ...] = Field(
        (), description="who may read /metrics (the engine's), /gateway/metrics and /gateway/metrics/keys without a key"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="origins whose pages may call the API from a browser, such as https://app.example; * for all"
    )
    paths: tuple[str, ...] = Field(
        (), description="more paths of the engine that are open, such as /v1/load_lora_adapter; with any key"
    )
    max_request_mib: int = Field(64, ge=1, le=4096, description="the longest request, MiB")
    access_log: bool = Field(
        True, description="one line a request: the key's name, path, status, bytes, time; never content nor key"
    )
    packages: tuple[Requirement, ...] = Field(
        versions.GATEWAY_PACKAGES,
        description="runtime native: pip requirements that have Caddy; empty: native.path has it",
    )

    team: TeamSettings = TeamSettings()  # type: ignore[call-arg]  # every field has a default

    @field_validator("team", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:  # noqa: ANN401  # whatever a stack's file has
        return {"enabled": value} if isinstance(value, bool) else value

    @field_validator("tls", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:  # noqa: ANN401  # whatever a stack's file has
        return {"mode": value} if isinstance(value, str) else value

    @field_validator("allowed_cidrs", "metrics_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?", origin):
                raise ValueError(
                    f"{origin!r} is no origin; write scheme, host and port alone, such as https://app.example"
                )
        return value

    @field_validator("paths")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", path):
                raise ValueError(f"{path!r} is no path; write it like /v1/load_lora_adapter, without query or escapes")
        return value

    @field_validator("keys")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if DEFAULT_KEY in value or len(set(value)) < len(value):
            raise ValueError(f"names must differ, and {DEFAULT_KEY} is the name of apiKey; rename one")
        return value
