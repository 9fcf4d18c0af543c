"""Settings of the page to chat on."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from components.webui.webui import INNER_PORT
from stacks import versions
from stacks.settings.base import Port, SettingsModel, check_cidrs
from stacks.settings.text_types import Image, Requirement


class WebUiSettings(SettingsModel):
    """Open WebUI beside the gateway."""

    enabled: bool = Field(False, description="a page to chat on, with accounts (Open WebUI)")
    port: Port = Field(3000, description="the page's port on the first machine")
    inner_port: Port = Field(INNER_PORT, description="where the page listens on loopback, behind webui.port")
    allowed_cidrs: tuple[str, ...] = Field(
        (), description="who may open the page, such as 203.0.113.0/24; a login is asked for in any case"
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:-]+$",
        description="the page's address from outside, where somebody forwards it to webui.port",
    )
    image: Image = Field(versions.WEBUI_IMAGE, description="Open WebUI's image")
    packages: tuple[Requirement, ...] = Field(
        versions.WEBUI_PACKAGES, description="runtime native: pip requirements that have it; empty: native.path has it"
    )
    admin_email: str = Field(
        "admin@localhost",
        pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$",
        description="login of the first account; its password is the secret webuiPassword, made if none is given",
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)

    @model_validator(mode="after")
    def _somebody_may(self) -> Self:
        if self.enabled and not self.allowed_cidrs:
            raise ValueError(
                "allowedCidrs: is missing, so nobody could open the page; name your own addresses, such as "
                "203.0.113.0/24, this computer's among them"
            )
        return self
