"""Settings of virtual keys, budgets and usage for a team: LiteLLM and PostgreSQL beside the gateway."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from components.team.team import DATABASE_PORT, INNER_PORT, PORT
from stacks import versions
from stacks.settings.base import Port, SettingsModel, check_cidrs
from stacks.settings.text_types import Image

ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


class TeamSettings(SettingsModel):
    """LiteLLM's proxy before the engine, for whoever has a key that LiteLLM made."""

    enabled: bool = Field(
        False, description="virtual keys, budgets, rate limits and usage by key (LiteLLM, PostgreSQL)"
    )
    port: Port = Field(PORT, description="LiteLLM's own page and API on the first machine, behind the gateway's TLS")
    inner_port: Port = Field(INNER_PORT, description="where LiteLLM listens on loopback")
    database_port: Port = Field(DATABASE_PORT, description="where PostgreSQL listens on loopback")
    allowed_cidrs: tuple[str, ...] = Field(
        (), description="who may open team.port, such as 203.0.113.0/24; only the machine itself when left out"
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.:-]+$",
        description="the address from outside, where somebody forwards it to team.port",
    )
    aliases: tuple[str, ...] = Field((), description="more names of the model for virtual keys, such as gpt-4o")
    input_price: float | None = Field(
        None, ge=0, le=1e6, description="what a million tokens of prompts count against budgets; in any currency"
    )
    output_price: float | None = Field(
        None, ge=0, le=1e6, description="what a million tokens of answers count against budgets; in the same currency"
    )
    keep: bool = Field(True, description="keep keys and usage on the machine when the stack is destroyed")
    image: Image = Field(versions.LITELLM_IMAGE, description="LiteLLM's image with Prisma's engines")
    database_image: Image = Field(
        versions.POSTGRES_IMAGE, description="PostgreSQL's image; another major version can't read the data"
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(value)

    @field_validator("aliases")
    @classmethod
    def _aliases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for alias in value:
            if not ALIAS.fullmatch(alias):
                raise ValueError(f"{alias!r} is no model's name; write letters, digits and . _ : / @ - only")
        if len(set(value)) < len(value):
            raise ValueError("one name stands there twice; take one out")
        return value

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        prices = {"inputPrice": self.input_price, "outputPrice": self.output_price}
        absent = [name for name, price in prices.items() if price is None]
        if len(absent) == 1:
            raise ValueError(f".{absent[0]}: is missing; without it half of what is used would count nothing")
        return self
