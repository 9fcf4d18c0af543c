"""Settings of a stack as a test says them, and the sentence with which they are refused."""

import json
from typing import Any

import pytest
import yaml

from stacks.settings import SettingsError, parse
from tests.support.paths import ROOT


def values(**changes: Any) -> dict[str, str]:
    """A stack's configuration as Pulumi hands it over: objects as JSON text."""
    base: dict[str, Any] = {
        "platform": "hosts",
        "machines": [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "10.0.0.2"}],
        "ssh": {"privateKeyFile": "~/.ssh/id"},
        "accelerator": {"kind": "cpu"},
        "model": {"source": "huggingface", "id": "owner/Model-7B"},
        "storage": {"server": "nas"},
        "serving": {"tensorParallelSize": 2, "executor": "mp"},
    }
    base.update(changes)
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in base.items() if v is not None}


def refusal(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(values(**changes))
    return str(caught.value)


def stack(name: str, **changes: dict[str, Any]) -> dict[str, str]:
    """A stack's own file as Pulumi hands it over, with some settings changed."""
    told = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    config = {key.removeprefix("tandem:"): value for key, value in told.items()}
    for section, values in changes.items():
        config[section] = {**config.get(section, {}), **values}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
