"""A setting given as a secret stays one wherever it goes.

Pulumi keeps settings such as `tandem:serving` as one value, and knows of the whole of it that it is secret, as soon as
one word inside is (`pulumi config set --secret --path serving.environment.HF_TOKEN ...`). What the program makes of it
goes to many resources. Here each of these is looked at when it is declared: what holds a word of a secret setting is
handed on as a secret. By the word, and not by the way it came, so that no way is forgotten.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import pulumi
from pydantic import BaseModel

SHORTEST = 4
"""Characters: shorter words stand everywhere, and hide nothing. A variable counts with its name."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Settings' names and variables': never secret."""
HIDDEN = "[secret]"
QUIET = frozenset({"serving"})
"""Settings of which nothing comes back in the output of a step."""


def words_of(value: object, known: frozenset[str]) -> Iterator[str]:
    """The texts inside a setting that may be secret; `known` aren't: choices and names that the schema offers."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not NAME.fullmatch(name):  # a value that somebody wrote in a name's place
                yield from words_of(name, known)
            if isinstance(inner, str) and len(inner) < SHORTEST:
                yield f"{name}={inner}"
            yield from words_of(inner, known)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from words_of(inner, known)
    elif isinstance(value, str):
        if len(value) >= SHORTEST and value not in known:
            yield value
        option, _, rest = value.partition("=")
        if option.startswith("-") and len(rest) >= SHORTEST and rest not in known:
            yield rest


def choices(model: type[BaseModel]) -> frozenset[str]:
    """All words that settings offer as a choice."""
    found: set[str] = set()
    todo: list[object] = [model]
    seen: set[object] = set()
    while todo:
        each = todo.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            if each not in seen:
                seen.add(each)
                todo += [field.annotation for field in each.model_fields.values()]
        elif get_origin(each) is Literal:
            found |= {str(choice) for choice in get_args(each)}
        else:
            todo += get_args(each)
    return frozenset(found)


class Secrecy:
    """The words of secret settings, and what is done about them."""

    def __init__(self, names: frozenset[str] = frozenset(), words: frozenset[str] = frozenset()) -> None:
        """Nothing is watched yet.

        Args:
            names: the settings that are secret.
            words: the texts inside.
        """
        self.names = names
        # As JSON, a shell and a connection string write them too.
        spelled = {spelling for word in words for spelling in (word, json.dumps(word)[1:-1], shlex.quote(word)[1:-1])}
        self.words = tuple(sorted((w for w in spelled if len(w) >= SHORTEST), key=len, reverse=True))

    def watch(self) -> None:
        """From now on, every resource of this program gets these words as secrets only."""
        if self.words:
            pulumi.runtime.register_stack_transformation(self._transformed)

    def holds(self, value: object) -> bool:
        """Whether one of the words is in a value, however deep."""
        if isinstance(value, str):
            return any(word in value for word in self.words)
        if isinstance(value, Mapping):
            return any(self.holds(key) or self.holds(inner) for key, inner in value.items())
        if isinstance(value, (list, tuple, set)):
            return any(map(self.holds, value))
        return self.holds(_fields(value))

    def hidden(self, value: Any) -> Any:  # noqa: ANN401  # any input
        """The same input, of which each part that holds one of the words is a secret, now or when it is known."""
        if not self.words or isinstance(value, pulumi.Resource):
            return value
        if isinstance(value, pulumi.Output) or inspect.isawaitable(value):
            return pulumi.Output.from_input(value).apply(
                lambda known: pulumi.Output.secret(known) if self.holds(known) else known
            )
        if isinstance(value, (list, tuple)):
            return [self.hidden(inner) for inner in value]
        if (fields := _fields(value)) or isinstance(value, Mapping):
            return self._hidden_within(value, fields)
        return pulumi.Output.secret(value) if self.holds(value) else value

    def _hidden_within(self, value: Any, fields: Mapping[str, object]) -> Any:  # noqa: ANN401  # any input
        if not fields:
            if any(map(self.holds, value)):  # a name that is secret can't be one by itself
                return pulumi.Output.secret(value)
            return {name: self.hidden(inner) for name, inner in value.items()}
        other = copy.copy(value)
        for name, inner in fields.items():
            setattr(other, name, self.hidden(inner))
        return other

    def redacted(self, text: str) -> str:
        """A text for people, without the words."""
        for word in self.words:
            text = text.replace(word, HIDDEN)
        return text

    def _transformed(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        props = {name: self.hidden(value) for name, value in args.props.items()}
        opts = args.opts
        if args.type_.startswith("command:") and self.names - QUIET:
            # What a step reports may name a folder or a place that it was given.
            opts = pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
            )
        return pulumi.ResourceTransformationResult(props, opts)


def _fields(value: object) -> Mapping[str, object]:
    """What an SDK's own type of arguments holds, such as a container's uploads; nothing of anything else."""
    return vars(value) if hasattr(type(value), "_pulumi_input_type") else {}
