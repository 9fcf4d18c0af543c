"""From a stack's configuration to checked `Settings`, or one refusal that lists every mistake.

The only reader of `pulumi.Config`. Settings are checked whole before any resource exists.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, get_args

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.check_settings import checked
from stacks.settings.errors import Mistake, SettingsError
from stacks.settings.gateway_secrets import TEAM_SECRETS, gateway_problems, key_problems, parse_named, team_problems
from stacks.settings.monitoring_secrets import monitoring_problems
from stacks.settings.registry import registry_problems
from stacks.settings.secrecy import Secrecy, choices, words_of
from stacks.settings.stack import Settings

NAMESPACE = "tandem"
SECRETS = {
    "alertReceivers",
    "apiKey",
    "apiKeys",
    "hubToken",
    "monitoringPassword",
    "proxyPassword",
    "registryPassword",
    "sshKeyPassphrase",
    "sudoPassword",
    "teamKey",
    "teamSaltKey",
    "tlsKey",
    "webuiPassword",
}
LONGEST = 600
"""Characters of a mistake's line: what was given may be anything, such as a file."""
PASSWORD_MINIMUM = 12
"""Characters of the first account's password on the page; bcrypt reads 72 bytes at most."""


WISHES = {
    "replicas": "several copies of a model behind one URL are data parallel ranks; set dataParallelSize",
    "expertParallelSize": "experts are spread over all accelerators or none; set expertParallel: true",
}
"""Settings that aren't there and are looked for."""


def load() -> Settings:
    """Reads this stack's settings.

    Raises:
        SettingsError: with one line for each mistake: setting, reason, remedy.
    """
    given = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in pulumi.runtime.config.CONFIG.get().items()
        if key.startswith(f"{NAMESPACE}:")
    } or {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in pulumi.runtime.config.get_config_env().items()
        if key.startswith(f"{NAMESPACE}:")
    }
    key = given.get("apiKey")
    problems = key_problems("apiKey", key) if key else []
    problems += [
        f"{name}: stands in clear in the stack's file; set it again with `pulumi config set --secret {name}`"
        for name in sorted(SECRETS & given.keys())
        if not pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:{name}")
    ]
    password = given.get("webuiPassword")
    if password and len(password) < PASSWORD_MINIMUM:
        problems.append(
            f"webuiPassword: has {len(password)} characters, and the page asks whoever may reach it; give "
            f"{PASSWORD_MINIMUM} or more, or none to have one made"
        )
    open_values = {name: value for name, value in given.items() if name not in SECRETS}
    secrecy = _secrecy(open_values)
    try:
        settings = parse(open_values)
    except SettingsError as error:
        raise SettingsError("\n".join([secrecy.redacted(str(error)), *(f"  {p}" for p in problems)])) from None
    problems += secret_problems(settings, given)
    if problems:
        raise SettingsError(_refusal(problems))
    settings.keep_secret(secrecy)
    return settings


def secret_problems(settings: Settings, given: Mapping[str, str]) -> list[str]:
    """What is wrong with secrets beside checked settings, a line each."""
    return [
        *registry_problems(settings.images.registry_auth, given.get("registryPassword")),
        *_of_login(settings, given),
        *gateway_problems(settings.gateway, given.get("apiKeys"), given.get("tlsKey")),
        *monitoring_problems(settings.monitoring, given.get("monitoringPassword"), given.get("alertReceivers")),
        *team_problems(settings.gateway.team, {name: given.get(name) for name in TEAM_SECRETS}),
    ]


def _secrecy(values: Mapping[str, str]) -> Secrecy:
    """What is to be kept secret of settings that stand in the stack's file as secrets."""
    names = frozenset(name for name in values if pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:{name}"))
    known = choices(Settings)
    return Secrecy(names, frozenset(word for name in names for word in words_of(_decode(values[name]), known)))


def _of_login(settings: Settings, given: Mapping[str, str]) -> list[str]:
    """What the secrets of the SSH login don't allow."""
    problems = []
    if given.get("sudoPassword"):
        if settings.ssh.user == "root" or settings.runtime == "native":
            problems.append("sudoPassword: nobody asks sudo with ssh.user root or runtime native; take it out")
        elif "\n" in given["sudoPassword"].rstrip("\n"):
            problems.append("sudoPassword: holds a line break, which sudo takes for its end; set the password alone")
    if given.get("sshKeyPassphrase") and settings.ssh.agent:
        problems.append("sshKeyPassphrase: the agent holds opened keys with ssh.agent: true; take it out")
    return problems


def secret(name: str) -> pulumi.Output[str] | None:
    """A secret setting, one of SECRETS; None when the user gave none."""
    config = pulumi.Config(NAMESPACE)
    return config.require_secret(name) if config.get(name) else None


def named_secrets(name: str) -> dict[str, pulumi.Output[str]]:
    """The texts of a secret that holds several, apiKeys or alertReceivers, by name; for checked settings."""
    given = parse_named(pulumi.Config(NAMESPACE).get(name))
    return {part: pulumi.Output.secret(text) for part, text in given.items()}


def parse(values: Mapping[str, str]) -> Settings:
    """Checks settings given as Pulumi gives them: text, objects as JSON.

    Raises:
        SettingsError: with one line for each mistake.
    """
    decoded = {name: _decode(text) for name, text in values.items()}
    # Pulumi.yaml's own defaults for what was left out.
    for name, nothing in (("cloud", {}), ("runtime", ""), ("benchmark", "")):
        if decoded.get(name) == nothing:
            del decoded[name]
    try:
        return checked(Settings.model_validate(decoded))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise SettingsError(_refusal([_explain(d) for d in details])) from None
    except Mistake as mistake:
        raise SettingsError(_refusal([str(mistake)]), mistake.changes) from None


def _decode(text: str) -> Any:  # noqa: ANN401  # JSON is any
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refusal(problems: list[str]) -> str:
    lines = "\n".join(f"  {_short(p)}" for p in problems)
    return f"these settings can't work; nothing was created or changed:\n{lines}"


def _short(problem: str) -> str:
    """One line without the middle of what is too long to read; the remedy is at the end."""
    line = " ".join(problem.splitlines())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def _explain(detail: ErrorDetails) -> str:
    """One mistake as `setting: reason; remedy`."""
    path = [p for p in detail["loc"] if p != "function-after"]
    name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    match detail["type"]:
        case "extra_forbidden":
            if path[-1] in WISHES:
                return f"{name}: no such setting: {WISHES[str(path[-1])]}"
            known = _fields(Settings, path[:-1])
            near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.4)
            remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
            return f"{name}: no such setting; {remedy}"
        case "missing":
            return f"{name}: is missing; {_hint(path)}"
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
            if message.startswith("."):  # of a setting inside: `SettingsModel._plain_texts`
                return f"{name}{message}".lstrip(".")
            return f"{name}: {message}" if name else message
        case _:
            return f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}; {_hint(path)}"


def _field(path: list[int | str]) -> tuple[str, str | None] | None:
    """The setting's own name and description."""
    model: type[BaseModel] | None = Settings
    found = None
    for part in path:
        if model is None or isinstance(part, int):
            continue
        info = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        if info is None:
            return found
        found = (part, info.description)
        model = _model_in(info.annotation)
    return found


def _hint(path: list[int | str]) -> str:
    found = _field(path)
    if found and found[1]:
        return f"it is {found[1]}"
    return f"set it with `pulumi config set --path {NAMESPACE}:{'.'.join(map(str, path))} VALUE`"


def _fields(model: type[BaseModel] | None, path: list[int | str]) -> list[str]:
    for part in path:
        if model is None:
            return []
        if isinstance(part, int):
            continue
        info = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        model = _model_in(info.annotation) if info else None
    extra = SECRETS if model is Settings else set()
    return sorted({f.alias or n for n, f in model.model_fields.items()} | extra) if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The settings model inside an annotation such as `tuple[MachineSettings, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)
