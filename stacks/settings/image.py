"""Settings of container images: which, what is mounted into them, and how missing parts are built."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from stacks import versions
from stacks.settings.registry import RegistrySettings
from stacks.settings.text_types import PATH, Image


class ImageSettings(RegistrySettings):
    """Container images and what is mounted into them."""

    engine: Image | None = Field(
        None,
        description="the engine's image, with @sha256:... to pin it; what it lacks is added on the machines; "
        "the engine's own public one when left out",
    )
    gateway: Image = Field(versions.GATEWAY_IMAGE, description="the gateway's image: any nginx")
    mounts: tuple[str, ...] = Field((), description="folders mounted into every container: source:target[:ro]")
    keep: bool = Field(False, description="keep images that were built on the machines when the stack is destroyed")

    @field_validator("mounts")
    @classmethod
    def _mounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for mount in value:
            if not re.fullmatch(rf"/({PATH})?:/{PATH}(:ro)?", mount):
                raise ValueError(
                    f"{mount!r} is no mount; write /on/the/machine:/in/the/container, with :ro if read-only"
                )
        return value
