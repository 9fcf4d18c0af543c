"""What all settings share: one base, the types of names, ports and address ranges."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.fields import FieldInfo

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""No setting's: line ends, other control characters, and halves of characters that no file can hold."""
NOWHERE = re.compile("[\x00\ud800-\udfff]")
"""What not even an argument of a program can hold (execve)."""


class Verbatim:
    """Marks a text that reaches a program as it stands, lines and leading dashes and all."""


class SettingsModel(BaseModel):
    """Frozen, and a mistyped key is an error rather than a silence.

    No text of it holds control characters or begins with a dash, which some program might take for an option, but
    those that are marked `Verbatim`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=lambda name: re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name),
        populate_by_name=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_texts(cls, value: Any) -> Any:  # noqa: ANN401  # whatever a stack's file has
        if isinstance(value, Mapping):
            for name, field in cls.model_fields.items():
                inner = (field.annotation, *get_args(field.annotation))
                if any(isinstance(each, type) and issubclass(each, BaseModel) for each in inner):
                    continue  # these look at their own
                verbatim = _is_verbatim(field)
                if any(isinstance(each, type) and issubclass(each, SettingsModel) for each in _within(field)):
                    continue  # it looks at its own
                for key in {name, field.alias or name} & value.keys():
                    _check_texts(key, value[key], verbatim=verbatim)
        return value


def _within(field: FieldInfo) -> list[Any]:
    """A field's annotation, and what it is an option or a list of."""
    return [field.annotation, *get_args(field.annotation)]


def _is_verbatim(field: FieldInfo) -> bool:
    """Whether the field's texts are marked, as they are or within a list or dictionary."""
    marks = [*field.metadata, *(mark for each in _within(field) for mark in getattr(each, "__metadata__", ()))]
    return any(isinstance(mark, Verbatim) for mark in marks)


def _check_texts(name: str, value: object, *, verbatim: bool) -> None:
    """Looks at a text, or those of a list or dictionary of texts.

    Raises:
        ValueError: one sentence, which goes on from the path of the model: `.name: ...`.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str):
                _check_texts(name, key, verbatim=False)
                _check_texts(f"{name}.{key}", inner, verbatim=verbatim)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            if isinstance(inner, str):
                _check_texts(name, inner, verbatim=verbatim)
    elif isinstance(value, str):
        if (NOWHERE if verbatim else CONTROL).search(value):
            raise ValueError(f".{name}: holds a line end or another control character; take it out")
        if value.startswith("-") and not verbatim:
            raise ValueError(f".{name}: begins with a dash, as options of programs do; take it out")


def check_cidrs(ranges: Sequence[str]) -> tuple[str, ...]:
    """The same ranges.

    Raises:
        ValueError: one is none.
    """
    for cidr in ranges:
        try:
            ipaddress.IPv4Network(cidr)
        except ValueError as error:
            raise ValueError(f"{cidr} is no IPv4 range ({error}); write it like 203.0.113.0/24") from None
    return tuple(ranges)
