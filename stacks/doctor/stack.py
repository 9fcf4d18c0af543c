"""What Pulumi knows of a stack: its settings, its outputs and its resources, with secrets in clear, in memory only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stacks.ask_pulumi import ask_pulumi
from stacks.doctor.deadline import ask_all
from stacks.load_settings import NAMESPACE, SECRETS, parse, secret_problems
from stacks.project import ROOT, full_name, project_name
from stacks.settings.errors import SettingsError
from stacks.settings.secrecy import HIDDEN
from stacks.settings.stack import Settings

SECONDS = 30.0
"""How long Pulumi may take to tell what it knows."""
SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  # Pulumi's mark of a special value (sdk/go/common/resource/sig)


@dataclass(frozen=True)
class Resource:
    """A custom resource of the state.

    Attributes:
        kind: Pulumi's type, such as docker:index/container:Container.
        name: Pulumi's name.
        id: the provider's.
        inputs: as given, secrets in clear.
        outputs: as read, secrets in clear.
    """

    kind: str
    name: str
    id: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stack:
    """A stack as Pulumi knows it.

    Attributes:
        name: as `pulumi stack ls` has it.
        project: the project's name.
        values: settings as text by name, JSON of objects, secrets in clear.
        settings: the same, checked; None where they can't be used.
        mistakes: why they can't, in words.
        resources: custom resources; none of a stack that was never brought up.
        outputs: of the last `up` that ended well.
        unread: why the state wasn't read; empty when it was.
        secrets: every text inside secret values of settings and state.
        clear: every text that stands in clear in settings and outputs; a word may be in both.
        hidden: names of settings and outputs that are secret, or hold something secret.
    """

    name: str
    project: str
    values: Mapping[str, str]
    settings: Settings | None = None
    mistakes: str = ""
    resources: Sequence[Resource] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    unread: str = ""
    secrets: frozenset[str] = frozenset()
    clear: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    @property
    def full(self) -> str:
        """The deployment's own name: the tag in the account, the label of containers, the folder on machines."""
        return f"{self.project}-{self.name}"

    @property
    def rents(self) -> bool:
        """Whether its machines are rented, also where its settings hold a mistake."""
        return self.values.get("platform") == "alicloud"

    @property
    def native(self) -> bool:
        """Whether processes serve in place of containers."""
        return self.values.get("runtime") == "native"

    @property
    def shown_values(self) -> dict[str, str]:
        """Settings without those that are secret."""
        return {name: HIDDEN if name in self.hidden | SECRETS else value for name, value in self.values.items()}

    @property
    def shown_outputs(self) -> dict[str, Any]:
        """Outputs without those that are secret."""
        return {name: HIDDEN if name in self.hidden else value for name, value in self.outputs.items()}

    def of_kind(self, kind: str) -> list[Resource]:
        """The resources of a type."""
        return [each for each in self.resources if each.kind == kind]

    def named(self, name: str) -> Resource | None:
        """The resource of a name."""
        return next((each for each in self.resources if each.name == name), None)


class StackError(Exception):
    """There is no such stack: one sentence."""


def read_stack(name: str, config_file: Path | None = None) -> Stack:
    """Asks Pulumi, and reads the stack's file where Pulumi doesn't know the stack.

    Args:
        name: the stack's.
        config_file: in place of Pulumi.NAME.yaml beside the program.

    Raises:
        StackError: there is neither.
    """
    file = config_file or ROOT / f"Pulumi.{name}.yaml"
    chosen = ["--config-file", str(config_file)] if config_file else []
    answers = ask_all(
        {
            "config": lambda: ask_pulumi(
                "config", "--json", "--show-secrets", "--stack", name, *chosen, seconds=SECONDS
            ),
            "state": lambda: ask_pulumi("stack", "export", "--show-secrets", "--stack", name, seconds=SECONDS),
        },
        SECONDS,
    )
    config, state = answers["config"], answers["state"]
    if config.failure and not file.exists():
        raise StackError(f"there is no stack {name} and no {file.name}; `pulumi stack ls` lists the stacks")
    noted = _Noted()
    if config.failure:
        values, hidden = _from_file(file)
    else:
        values, hidden = _from_pulumi(config.value, noted), False
    resources, outputs = _state(state.value or {}, noted)
    noted.clear |= {name, project_name(), full_name(name)}
    settings, mistakes = _checked(values)
    if hidden and mistakes:
        mistakes = ""  # a secret that can't be read may be what is wrong
    return Stack(
        name,
        project_name(),
        values,
        settings,
        mistakes,
        resources,
        outputs,
        _unread(state.failure),
        frozenset(noted.secrets),
        frozenset(noted.clear),
        frozenset(noted.hidden),
    )


def _unread(failure: Exception | None) -> str:
    """Why a state was not read; of a stack that Pulumi doesn't know yet there is none to read."""
    return "" if failure is None or "no stack named" in str(failure) else str(failure)


@dataclass
class _Noted:
    """What was secret, what was not, and the names of settings and outputs that were."""

    secrets: set[str] = field(default_factory=set)
    clear: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def note(self, name: str, value: object, *, secret: bool) -> None:
        """One setting or output."""
        (self.secrets if secret else self.clear).update(texts(value))
        if secret:
            self.hidden.add(name)


def _from_pulumi(config: Mapping[str, Any], noted: _Noted) -> dict[str, str]:
    values = {}
    for key, entry in config.items():
        if key.startswith(f"{NAMESPACE}:"):
            text = entry.get("value")
            name = key.removeprefix(f"{NAMESPACE}:")
            values[name] = text if isinstance(text, str) else json.dumps(text)
            noted.note(name, text, secret=bool(entry.get("secret")))
    return values


def _decoded(text: str) -> Any:  # noqa: ANN401  # JSON is any
    try:
        return json.loads(text)
    except ValueError:
        return text


def _from_file(file: Path) -> tuple[dict[str, str], bool]:
    """The settings of a stack that Pulumi doesn't know; secrets stay what they are."""
    config = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
    hidden = []

    def without_secrets(value: Any) -> Any:  # noqa: ANN401  # YAML is any
        if isinstance(value, dict):
            if set(value) == {"secure"}:
                hidden.append(True)
                return HIDDEN
            return {key: without_secrets(inner) for key, inner in value.items()}
        return [without_secrets(inner) for inner in value] if isinstance(value, list) else value

    values = {}
    for key, value in config.items():
        if key.startswith(f"{NAMESPACE}:"):
            plain = without_secrets(value)
            values[key.removeprefix(f"{NAMESPACE}:")] = plain if isinstance(plain, str) else json.dumps(plain)
    return values, bool(hidden)


def _checked(values: Mapping[str, str]) -> tuple[Settings | None, str]:
    try:
        settings = parse({name: value for name, value in values.items() if name not in SECRETS})
    except SettingsError as error:
        return None, str(error)
    given = {name: value for name, value in values.items() if value != HIDDEN}
    known = set(values) == set(given)
    return settings, "\n".join(secret_problems(settings, given)) if known else ""


def _state(exported: Mapping[str, Any], noted: _Noted) -> tuple[list[Resource], dict[str, Any]]:
    found, outputs = [], {}
    for each in (exported.get("deployment") or {}).get("resources") or []:
        given = _revealed(each.get("inputs") or {}, noted.secrets)
        read = _revealed(each.get("outputs") or {}, noted.secrets)
        if each["type"] == "pulumi:pulumi:Stack":
            outputs = read
            for name, value in (each.get("outputs") or {}).items():
                noted.note(name, read[name], secret=_is_secret(value))
        elif each.get("custom"):
            words = each["urn"].rpartition("::")[2]
            # Names of machines are parts of resources' own.
            noted.clear |= {words, each.get("id", ""), *("-".join(words.split("-")[:n]) for n in (1, 2, 3))}
            for part in ("inputs", "outputs"):
                for value in (each.get(part) or {}).values():
                    if not _is_secret(value):
                        noted.clear.update(texts(value))
            found.append(Resource(each["type"], each["urn"].rpartition("::")[2], each.get("id", ""), given, read))
    return found, outputs


def _is_secret(value: Any) -> bool:  # noqa: ANN401  # JSON is any
    return isinstance(value, dict) and (SECRET in value or any(map(_is_secret, value.values())))


def _revealed(value: Any, secrets: set[str]) -> Any:  # noqa: ANN401  # JSON is any
    """The same without Pulumi's marks; what was secret is noted."""
    if isinstance(value, dict):
        if SECRET in value and "plaintext" in value:
            plain = json.loads(value["plaintext"])
            secrets |= set(texts(plain))
            return _revealed(plain, secrets)
        return {key: _revealed(inner, secrets) for key, inner in value.items()}
    return [_revealed(inner, secrets) for inner in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON is any
    """Every text inside a value; of one that is JSON itself also those inside, as a step's input is."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
        if value[:1] in "[{" and not isinstance(inside := _decoded(value), str):
            yield from texts(inside)
