"""Settings that several engines share and name differently: who proposes tokens, adapters."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from stacks.settings.base import Name, SettingsModel

Listed = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$")]
"""The id of a repository in model.more, or its name there. Of ASCII: to compile 199 times any letter of Unicode takes a
tenth of a second, at each start."""


class SpeculativeSettings(SettingsModel):
    """Speculative decoding: tokens are proposed cheaply, and the model checks several at once."""

    method: Literal["mtp", "eagle", "eagle3", "draft", "ngram"] = Field(
        description="mtp: the model's own multi-token-prediction layers; eagle, eagle3: a head; draft: a small model; "
        "ngram: what stood in the text before"
    )
    model: Listed | None = Field(
        None, description="eagle, eagle3, draft: the head or small model, listed in model.more by this id or name"
    )
    tokens: int = Field(1, ge=1, le=16, description="tokens proposed at once")

    @model_validator(mode="after")
    def _a_model_where_one_proposes(self) -> Self:
        needed = self.method in ("eagle", "eagle3", "draft")
        if needed and self.model is None:
            raise ValueError(f"model: is missing; method {self.method} takes one, listed in model.more")
        if not needed and self.model is not None:
            raise ValueError(f"model: method {self.method} takes none; take it out")
        return self


class LoraSettings(SettingsModel):
    """Adapters that are served beside the model, each under its own name."""

    adapters: dict[Name, Listed] = Field(
        {}, description="the name that clients ask for, and the adapter, listed in model.more by this id or name"
    )
    max_loras: int = Field(1, ge=1, le=256, description="adapters of one batch; memory is taken for so many")
    max_rank: Literal[8, 16, 32, 64, 128, 256, 320, 512] = Field(16, description="the highest rank of an adapter")
