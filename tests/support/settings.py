"""Settings of a stack as a test says them, and the sentence with which they are refused."""

from typing import Any

import pytest

from stacks.load_settings import parse
from stacks.settings.errors import SettingsError
from tests.support.stack_files import as_configuration, read


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
    return as_configuration({name: value for name, value in base.items() if value is not None})


def refusal(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(values(**changes))
    return str(caught.value)


def stack(name: str, **changes: dict[str, Any]) -> dict[str, str]:
    """A stack's own file as Pulumi hands it over, with some settings changed."""
    config = read(name)
    for section, values in changes.items():
        config[section] = {**config.get(section, {}), **values}
    return as_configuration(config)
