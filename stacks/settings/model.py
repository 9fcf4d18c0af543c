"""Settings of the weights: the model's, and of further repositories that belong to it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stacks.settings.base import Name, SettingsModel
from stacks.settings.text_types import Url

Source = Literal["path", "huggingface", "modelscope", "openmind", "git-lfs"]
GIT_URL = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(:\d+)?(/[\w.~+%-]+)+/?")
HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
FOLDER = re.compile(r"[\w.@+,=~-]+(/[\w.@+,=~-]+)*/?")
SOURCE_WORDS = "huggingface, modelscope, openmind (modelers.cn), git-lfs, or path: on the storage already"
ID_WORDS = "owner/name on the hub; source git-lfs: the repository's URL; source path: a folder on the storage"


def _revision(value: str) -> str:
    """A name that git takes for a branch or tag (git-check-ref-format(1)), or a commit."""
    wrong = ("..", "//", "/.", "@{")
    if not re.fullmatch(r"[A-Za-z0-9_][\w./+@-]*", value) or any(part in value for part in wrong) or value[-1] in "./":
        raise ValueError(f"{value!r} is no branch, tag or commit; take one from the hub's page, such as main")
    return value


Revision = Annotated[str, AfterValidator(_revision)]


class Repository(SettingsModel):
    """One repository with files for the engine, and where it is."""

    source: Source = Field(description=SOURCE_WORDS)
    id: str = Field(min_length=1, description=ID_WORDS)
    files: tuple[str, ...] = Field(
        (),
        description="patterns of the files wanted, such as *Q4_K_M*: one quantization of a GGUF repository; with ! "
        "before it a pattern leaves files out, and the last that matches decides",
    )
    revision: Revision | None = Field(None, description="branch, tag or commit on the hub")
    endpoint: Url | None = Field(None, description="the hub's URL, for a mirror")

    @model_validator(mode="after")
    def _id_is_of_the_source(self) -> Self:
        if self.source == "git-lfs" and not GIT_URL.fullmatch(self.id):
            raise ValueError(
                f"id: {self.id} is no URL that git clones over HTTP, which source git-lfs needs; write "
                f"https://modelers.cn/{self.id}.git, without user or password: a token goes into hubToken"
            )
        if self.source not in ("git-lfs", "path") and not HUB_ID.fullmatch(self.id):
            raise ValueError(f"id: {self.id} is not OWNER/NAME as on the hub, which source {self.source} needs")
        if self.source == "path" and (not FOLDER.fullmatch(self.id.lstrip("/")) or ".." in self.id.split("/")):
            raise ValueError(
                f"id: {self.id!r} is no folder on the storage; write its path below storage.mountPoint, of "
                "letters, digits and . _ @ + , = ~ - /"
            )
        if self.files and self.source == "path":
            raise ValueError("files: chooses what is downloaded, and source path downloads nothing; take it out")
        if self.endpoint and self.source in ("git-lfs", "path"):
            raise ValueError(f"endpoint: source {self.source} asks no hub; take it out, and give the place by model.id")
        return self

    @property
    def last(self) -> str:
        """The last part of the id."""
        return self.id.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")


class MoreSettings(Repository):
    """A repository that belongs to the model: a draft model, an adapter, a projector, a tokenizer."""

    name: Name | None = Field(
        None, description="what {more.NAME} in serving.arguments names; the last part of id in small letters if unset"
    )

    @property
    def word(self) -> str:
        """Its name in placeholders and on machines."""
        return self.name or re.sub(r"[^a-z0-9]+", "-", self.last.lower()).strip("-")[:40]


class ModelSettings(Repository):
    """Which weights, and where they come from."""

    served_name: str | None = Field(
        None, min_length=1, description="the name clients ask for; the last part of id if unset"
    )
    keep: bool = Field(True, description="keep the weights on the storage when the stack is destroyed")
    config: str | None = Field(
        None, description="path of the model's config.json here, by which memory is planned; known models need none"
    )
    task: Literal["chat", "completion", "embedding", "rerank", "transcription"] | None = Field(
        None, description="what the model is for, and so what shows that it is ready; found from its files if unset"
    )
    trigger: str = Field("", description="any text; change it to have every checksum verified again")
    more: tuple[MoreSettings, ...] = Field(
        (), description="repositories beside the model's: a list of source and id, and name, files, revision, endpoint"
    )

    @property
    def name(self) -> str:
        """The name clients ask for."""
        return self.served_name or self.last.lower()

    @model_validator(mode="after")
    def _more_differ(self) -> Self:
        words = [each.word for each in self.more]
        for number, each in enumerate(self.more):
            if not each.word:
                raise ValueError(f"more[{number}].name: is missing; {each.id} has no letter to make one of")
            if words.index(each.word) != number:
                raise ValueError(f"more[{number}].name: {each.word} names two repositories; give each its own")
            if PurePosixPath(each.id) == PurePosixPath(self.id) and each.files == self.files:
                raise ValueError(f"more[{number}].id: {each.id} is the model itself; {{model}} names its folder")
        return self
