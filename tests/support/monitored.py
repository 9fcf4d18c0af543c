"""A deployment of tests with monitoring, whose alerts reach a webhook of theirs, and questions by its login."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.deployment import Deployment
from tests.support.webhook import Receiver, listen

PROGRAMS = {
    "prometheus": r"prometheus --config",
    "alertmanager": r"alertmanager --",
    "node-exporter": r"node_exporter --",
    "alert-relay": r"relay\.py",
    "state": r"-state\.service",
    "gateway-metrics": r"-gateway-metrics\.service",
}
"""Monitoring's own on a machine, by their command lines or units (tests/support/processes.py)."""


def with_monitoring(config: dict[str, Any]) -> dict[str, Any]:
    """Its settings on this computer: Debian's Prometheus in an image of its own; Grafana's image can't be had here."""
    image = f"{config['images']['engine'].partition('/')[0]}/tandem/monitoring:1"
    images = dict.fromkeys(("prometheusImage", "alertmanagerImage", "nodeExporterImage"), image)
    return {**config, "monitoring": {"enabled": True, "grafana": False, "retention": "1d", **images}}


def bring_up(deployment: Deployment, webhook: Receiver, *, timeout: int = 2000) -> dict[str, Any]:
    """`pulumi up` with alerts to the webhook; the stack's outputs."""
    deployment.write(deployment.changed_config())
    file = ("--stack", "test", "--config-file", str(deployment.config_file))
    deployment.pulumi("config", "set", "--secret", "--path", "tandem:alertReceivers.webhook", webhook.url, *file).good()
    deployment.pulumi("up", "--yes", "--skip-preview", *file, timeout=timeout).good()
    return deployment.outputs()


def make_deployment(folder: Path, bridge: str, subnet: str, **more: Any) -> Deployment:
    """Two machines, and the settings of a monitored vLLM without Ray on them; nothing is up yet."""
    made = Deployment(folder, bridge, subnet, ["node-0", "node-1"], **more)
    made.config["serving"]["executor"] = "mp"
    made.config = with_monitoring(made.config)
    return made


@pytest.fixture(scope="module")
def webhook(deployment: Deployment) -> Iterator[Receiver]:
    """Where the alerts of a module's deployment arrive."""
    server = listen(deployment.subnet)
    yield server
    server.close()


@pytest.fixture(scope="module")
def out(deployment: Deployment, webhook: Receiver) -> dict[str, Any]:
    """The outputs of a module's deployment, once it is up."""
    return bring_up(deployment, webhook)


class Look:
    """Asks through the gateway, by default with monitoring's login.

    Args:
        outputs: the stack's.
        folder: for its authority's certificate.
    """

    def __init__(self, outputs: dict[str, Any], folder: Path) -> None:
        self.url, self.authority = outputs["monitoringUrl"], folder / "ca.pem"
        self.authority.write_text(outputs["apiCa"])
        word = base64.b64encode(f"{outputs['monitoringLogin']}:{outputs['monitoringPassword']}".encode()).decode()
        self.login = f"Basic {word}"

    def __call__(self, path: str, login: str | None = "", **params: str) -> requests.Response:
        """An answer, whatever its status; None for no login."""
        login = self.login if login == "" else login
        session = requests.Session()
        session.trust_env = False
        return session.get(
            self.url + path,
            headers={"Authorization": login} if login else {},
            params=params,
            verify=str(self.authority),
            timeout=60,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus gives now: `metric` and `value` (time and text) of each series."""
        found: list[dict[str, Any]] = self("prometheus/api/v1/query", query=expression).json()["data"]["result"]
        return found

    def down(self) -> list[tuple[str, str, str]]:
        """Job, address and last error of each target that isn't up; one entry of its own before any is known."""
        found = self("prometheus/api/v1/targets").json()["data"]["activeTargets"]
        if not found:
            return [("", "", "Prometheus knows no targets yet")]
        return [(one["labels"]["job"], one["scrapeUrl"], one["lastError"]) for one in found if one["health"] != "up"]
