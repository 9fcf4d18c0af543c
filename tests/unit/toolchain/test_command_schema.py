"""The command plugin's schema has the properties of pulumi-command's Python SDK, which is the authority on them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from pulumi_command import local, remote

from tests.support.paths import ROOT
from toolchain.versions import versions

SCHEMA: dict[str, Any] = json.loads((ROOT / "toolchain/plugins/internal/command/schema.json").read_text())


def wire(names: Iterable[str]) -> set[str]:
    """Return Python names as the wire has them."""
    return {re.sub(r"_(.)", lambda found: found[1].upper(), name) for name in names}


def properties(arguments_class: type) -> set[str]:
    """Return what an arguments class can be given."""
    return wire(name for name, value in vars(arguments_class).items() if isinstance(value, property))


@pytest.mark.parametrize(
    ("token", "arguments_class"),
    [
        ("command:local:Command", local.CommandArgs),
        ("command:remote:Command", remote.CommandArgs),
        ("command:remote:CopyToRemote", remote.CopyToRemoteArgs),
    ],
)
def test_resources_have_the_sdks_inputs(token: str, arguments_class: type) -> None:
    assert set(SCHEMA["resources"][token]["inputProperties"]) == properties(arguments_class)


@pytest.mark.parametrize(
    ("token", "arguments_class"),
    [
        ("command:remote:Connection", remote.ConnectionArgs),
        ("command:remote:ProxyConnection", remote.ProxyConnectionArgs),
    ],
)
def test_connections_have_the_sdks_settings(token: str, arguments_class: type) -> None:
    assert set(SCHEMA["types"][token]["properties"]) == properties(arguments_class)


def test_the_function_run_has_the_sdks_inputs() -> None:
    assert set(SCHEMA["functions"]["command:local:run"]["inputs"]["properties"]) == wire(
        inspect.signature(local.run).parameters.keys() - {"opts"}
    )


def test_the_version_is_the_pinned_one() -> None:
    assert SCHEMA["version"] == versions().plugins["command"]
