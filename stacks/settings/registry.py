"""Settings of registries that ask for a login, and of the disk that images need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from stacks.settings.base import SettingsModel


class RegistryAuth(SettingsModel):
    """A login; its password is the secret registryPassword."""

    address: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$",
        description="as images name the registry, HOST or HOST:PORT, such as harbor.example; docker.io is Docker Hub",
    )
    username: str = Field(min_length=1, pattern=r"^[^\s:]+$", description="the account's or robot's name there")


class RegistrySettings(SettingsModel):
    """What pulling images takes."""

    registry_auth: tuple[RegistryAuth, ...] = Field(
        (), description="logins of registries (address, username), one or a list; the secret is registryPassword"
    )
    disk_gib: int | None = Field(
        None, ge=1, le=10_000, description="free disk that the engine's image needs, GiB; known by the engine if unset"
    )

    @field_validator("registry_auth", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:  # noqa: ANN401  # JSON is any
        return [value] if isinstance(value, dict) else value

    @field_validator("registry_auth")
    @classmethod
    def _differ(cls, value: tuple[RegistryAuth, ...]) -> tuple[RegistryAuth, ...]:
        addresses = [login.address for login in value]
        for address in addresses:
            if addresses.count(address) > 1:
                raise ValueError(f"two logins for {address}; a machine keeps one for each registry: take one out")
        return value


def registry_problems(logins: Sequence[RegistryAuth], password: str | None) -> list[str]:
    """What is wrong between logins and their secret, one sentence each."""
    if password and not logins:
        return ["registryPassword: there is no images.registryAuth that it belongs to; give address and username there"]
    known = passwords_by_registry(password or "")
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


def passwords_by_registry(password: str) -> dict[str, str]:
    """Passwords by registry, where the secret is an object of them; a password that looks like JSON is none."""
    try:
        found = json.loads(password)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
