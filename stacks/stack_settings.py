"""A stack's settings for commands that run outside Pulumi's engine."""

from __future__ import annotations

from pathlib import Path

from stacks.ask_pulumi import PulumiError, ask_pulumi
from stacks.load_settings import NAMESPACE, SECRETS, parse
from stacks.settings.errors import SettingsError
from stacks.settings.stack import Settings


def settings_of(stack: str, config_file: Path | None = None) -> Settings:
    """The settings, as `pulumi config` opens them.

    Args:
        stack: its name.
        config_file: where it isn't Pulumi.<stack>.yaml.

    Raises:
        SettingsError: there is no such stack, its secrets can't be opened, or its settings can't work.
    """
    words = ["--config-file", str(config_file)] if config_file else []
    try:
        found = ask_pulumi("config", "--json", "--show-secrets", "--stack", stack, *words)
    except PulumiError as error:
        raise SettingsError(f"stack {stack} shows no settings: {error}; `pulumi stack ls` lists the stacks") from None
    given = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in found.items()}
    return parse({name: value["value"] for name, value in given.items() if name not in SECRETS})
