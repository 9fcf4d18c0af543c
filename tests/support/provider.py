"""The real provider against the local cloud: its fixtures and the head of a program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.project import Project
from toolchain.parts import all_parts

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not all_parts()["alicloud"].present(),
        reason="the alicloud plugin is not built: python -m toolchain ensure",
    ),
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    state = str(tmp_path_factory.mktemp("cloud") / "state")
    command = [sys.executable, "-m", "localcloud", "cloud"]
    start = [*command, "start", "--state", state, "--backend", "memory", "--speed", "1000"]
    status: dict[str, Any] = json.loads(subprocess.check_output(start, cwd=ROOT))
    yield status
    subprocess.run([*command, "stop", "--state", state], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture
def aliproject(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, project: Project) -> Project:
    # In this order, so that the clean-up after the test still has the environment: without it a rule cannot be deleted.
    monkeypatch.setenv("SSL_CERT_FILE", cloud["authority"])
    monkeypatch.setenv("NO_PROXY", cloud["endpoint"])
    return project


def program(cloud: dict[str, Any], text: str) -> str:
    return f"""
import pulumi
import pulumi_alicloud as ali

at = {cloud["endpoint"]!r}
provider = ali.Provider(
    "cloud", region={cloud["region"]!r}, access_key={cloud["accessKey"]!r}, secret_key={cloud["secretKey"]!r},
    protocol="HTTP", skip_region_validation=True, account_type="Domestic", account_id={cloud["accountId"]!r},
    endpoints=[ali.ProviderEndpointArgs(ecs=at, vpc=at, nas=at, sts=at, location=at, bssopenapi=at)])
options = pulumi.ResourceOptions(provider=provider)
{text}
"""
