"""Settings of what the outside reaches."""

from __future__ import annotations

from pydantic import Field, field_validator

from stacks.settings.base import Port, SettingsModel, check_cidrs


class GatewaySettings(SettingsModel):
    """What the outside reaches."""

    port: Port = Field(8000, description="the port of the URL")
    url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._/-]*)?$",
        description="the URL from outside, such as https://host:24516, where somebody forwards it to gateway.port",
    )
    allowed_cidrs: tuple[str, ...] = Field(
        ("0.0.0.0/0",), description="who may use the URL; the key is asked for in any case"
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)
