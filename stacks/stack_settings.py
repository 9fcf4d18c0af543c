"""A stack's settings for commands that run outside Pulumi's engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from stacks.settings.errors import SettingsError
from stacks.settings.load import NAMESPACE, SECRETS, parse
from stacks.settings.stack import Settings

ROOT = Path(__file__).parents[1]


def settings_of(stack: str, config_file: Path | None = None) -> Settings:
    """The settings, as `pulumi config` opens them.

    Args:
        stack: its name.
        config_file: where it isn't Pulumi.<stack>.yaml.

    Raises:
        SettingsError: there is no such stack, its secrets can't be opened, or its settings can't work.
    """
    words = ["pulumi", "config", "--json", "--show-secrets", "--stack", stack]
    words += ["--config-file", str(config_file)] if config_file else []
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1].removeprefix("error: ")
        raise SettingsError(f"stack {stack} shows no settings: {why}; `pulumi stack ls` lists the stacks")
    given = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in json.loads(done.stdout).items()}
    return parse({name: value["value"] for name, value in given.items() if name not in SECRETS})
