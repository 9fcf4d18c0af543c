"""Settings for egress: mirrors, proxies, and an authority of one's own."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from components.host import DOCKER_PACKAGES
from stacks.settings.base import SettingsModel
from stacks.settings.text_types import AsItStands, HostPort, Url

PLAIN = re.compile(r"[\x21-\x7e]+")


class EgressSettings(SettingsModel):
    """How machines reach registries, hubs and mirrors."""

    http_proxy: str | None = Field(
        None, description="proxy for http, such as http://proxy.example:3128; its password is the secret proxyPassword"
    )
    https_proxy: str | None = Field(None, description="proxy for https; httpProxy if left out")
    no_proxy: tuple[str, ...] = Field(
        (),
        description="names, addresses and ranges without proxy; the machines, the storage and whatever of these "
        "settings has a private address are among them anyway",
    )
    ca_file: str | None = Field(
        None, description="file here with the certificates (PEM) of an authority that signs a registry, mirror or proxy"
    )
    ca: AsItStands | None = Field(None, description="the same certificates as text")

    docker_packages: str = Field(
        DOCKER_PACKAGES,
        pattern=r"^https?://[^\s%$]+$",
        description="Docker's own packages, or a mirror of them, for machines with dnf: Rocky, Alibaba Cloud Linux",
    )

    @field_validator("no_proxy", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:  # noqa: ANN401  # JSON is any
        """A list, or a text as the variable no_proxy has it."""
        return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value

    @field_validator("no_proxy")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if not PLAIN.fullmatch(word) or set(word) & set("\"'\\$`,"):
                raise ValueError(f"{word!r} is no name, address or range; write .example.com or 10.0.0.0/8")
        return value

    @field_validator("http_proxy", "https_proxy")
    @classmethod
    def _proxy(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(value) if PLAIN.fullmatch(value) and not set(value) & set("\"'\\$`") else None
        try:
            whole = url is not None and url.scheme in ("http", "https") and url.hostname and (url.port or True)
        except ValueError:
            whole = False
        if url is None or not whole or url.path not in ("", "/") or url.query or url.fragment:
            raise ValueError("is no proxy's URL; write http://HOST:PORT, or http://USER@HOST:PORT")
        if url.password is not None:
            raise ValueError(
                f"holds a password in clear; write {url.scheme}://{url.username}@{url.netloc.rpartition('@')[2]} and "
                "give it by `pulumi config set --secret proxyPassword`"
            )
        return value

    @model_validator(mode="after")
    def _one_authority(self) -> Self:
        if self.ca and self.ca_file:
            raise ValueError("ca and caFile: both give certificates; take one of them out")
        name = "ca" if self.ca else "caFile"
        try:
            text = self.authority
        except OSError as error:
            raise ValueError(f"caFile: {self.ca_file} can't be read ({error.strerror}); correct its path") from None
        if text:
            try:
                ssl.create_default_context(cadata=text)
            except (ssl.SSLError, ValueError):
                raise ValueError(
                    f"{name}: holds no certificates that TLS can use; give PEM text, -----BEGIN CERTIFICATE----- and on"
                ) from None
        if self.no_proxy and not (self.http_proxy or self.https_proxy):
            raise ValueError("noProxy: there is no proxy to be left out; set httpProxy, or take it out")
        return self

    @property
    def authority(self) -> str:
        """The certificates, PEM; empty without any.

        Raises:
            OSError: the file can't be read.
        """
        text = self.ca or (
            "" if self.ca_file is None else Path(os.path.expandvars(self.ca_file)).expanduser().read_text()
        )
        return f"{text.strip()}\n" if text.strip() else ""

    @property
    def proxies(self) -> dict[str, str]:
        """Proxies by scheme, without passwords; empty without any."""
        found = {"http": self.http_proxy, "https": self.https_proxy or self.http_proxy}
        return {scheme: url for scheme, url in found.items() if url}


class MirrorSettings(EgressSettings):
    """Where machines fetch from when the usual places are slow or out of reach."""

    pip: Url | None = Field(None, description="Python package index, such as https://mirror/simple")
    apt: Url | None = Field(
        None,
        description="archive of Debian or Ubuntu for images built on machines, such as http://mirrors.aliyun.com/ubuntu",
    )
    registry_mirrors: tuple[Url, ...] = Field((), description="Docker registry mirrors (URLs)")
    insecure_registries: tuple[HostPort, ...] = Field((), description="registries spoken to without TLS: host:port")
