"""The command plugin's schema has the properties that the Python SDK of pulumi-command has: the SDK is the authority."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
from pulumi_command import local, remote

from tests.paths import ROOT
from toolchain.versions import versions

SCHEMA: dict[str, Any] = json.loads((ROOT / "toolchain/host/internal/command/schema.json").read_text())


def arguments(function: Any) -> set[str]:
    """Return a constructor's arguments as the wire has them."""
    names = set(inspect.signature(function).parameters) - {"self", "opts"}
    return {re.sub(r"_(.)", lambda found: found[1].upper(), name) for name in names}


@pytest.mark.parametrize(
    ("token", "arguments_class"),
    [
        ("command:local:Command", local.CommandArgs),
        ("command:remote:Command", remote.CommandArgs),
        ("command:remote:CopyToRemote", remote.CopyToRemoteArgs),
    ],
)
def test_resources_have_the_sdks_inputs(token: str, arguments_class: type) -> None:
    assert set(SCHEMA["resources"][token]["inputProperties"]) == arguments(arguments_class.__init__)


@pytest.mark.parametrize(
    ("token", "arguments_class"),
    [
        ("command:remote:Connection", remote.ConnectionArgs),
        ("command:remote:ProxyConnection", remote.ProxyConnectionArgs),
    ],
)
def test_connections_have_the_sdks_settings(token: str, arguments_class: type) -> None:
    assert set(SCHEMA["types"][token]["properties"]) == arguments(arguments_class.__init__)


def test_the_function_run_has_the_sdks_inputs() -> None:
    assert set(SCHEMA["functions"]["command:local:run"]["inputs"]["properties"]) == arguments(local.run)


def test_the_version_is_the_pinned_one() -> None:
    assert SCHEMA["version"] == versions().plugins["command"]
