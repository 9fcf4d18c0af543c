"""Settings of registries that ask for a login, and of the room that images take."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from stacks.model import Model


class RegistryAuth(Model):
    """A login; its password is the secret registryPassword."""

    address: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$",
        description="as images name the registry, HOST or HOST:PORT, such as harbor.example; docker.io is Docker Hub",
    )
    username: str = Field(min_length=1, pattern=r"^[^\s:]+$", description="the account's or robot's name there")


class RegistrySettings(Model):
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
