"""Settings of the machines' own firewall: who reaches inner ports."""

from __future__ import annotations

from pydantic import Field, field_validator

from stacks.settings.base import SettingsModel, check_cidrs


class FirewallSettings(SettingsModel):
    """Who reaches the ports that machines use among themselves."""

    enabled: bool = Field(
        True,
        description="platform hosts: closes inner ports for all but the machines; false where somebody else does",
    )
    allowed_cidrs: tuple[str, ...] = Field(
        (), description="who else may reach inner ports, such as whoever reads Ray's metrics"
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)
