"""A deployment that Prometheus watches, with the test's own webhook for its alerts, and questions by its login."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.support.deployment import Deployment

PORT = 8655
PROGRAMS = {
    "prometheus": r"prometheus --config",
    "alertmanager": r"alertmanager --",
    "node-exporter": r"node_exporter --",
    "alert-relay": r"relay\.py",
    "state": r"-state\.service",
    "gateway-metrics": r"-gateway-metrics\.service",
}
"""Monitoring's own on a machine, by their command lines or units (tests/support/processes.py)."""


class Receiver(ThreadingHTTPServer):
    """Keeps what Alertmanager sends, from when it is made until `close`.

    Attributes:
        got: its messages.
        alerts: each alert of them, with the time (`time.time()`) at which it came.
    """

    def __init__(self, address: str) -> None:
        super().__init__((address, PORT), Webhook)
        self.got: list[Any] = []
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def fired(self, name: str, since: float) -> list[tuple[float, dict[str, Any]]]:
        """Alerts of a name that came as firing after a time."""
        return [
            (at, alert) for at, alert in self.alerts
            if at > since and alert["status"] == "firing" and alert["labels"]["alertname"] == name
        ]  # fmt: skip

    def close(self) -> None:
        """Its port is closed afterwards."""
        self.shutdown()
        self.server_close()


class Webhook(BaseHTTPRequestHandler):
    """Alertmanager's own format of a webhook."""

    server: Receiver

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Takes all."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append(message)
        self.server.alerts += [(time.time(), alert) for alert in message["alerts"]]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def firing(*servers: Receiver) -> dict[str, Any]:
    """The last alert of each name that they got."""
    got = [alert for server in servers for one in server.got for alert in one["alerts"]]
    return {alert["labels"]["alertname"]: alert for alert in got if alert["status"] == "firing"}


def make_deployment(folder: Path, bridge: str, subnet: str, **more: Any) -> Deployment:
    """Two machines, and the settings of a monitored vLLM without Ray on them; nothing is up yet."""
    made = Deployment(folder, bridge, subnet, ["node-0", "node-1"], **more)
    registry = made.config["images"]["engine"].partition("/")[0]
    image = f"{registry}/tandem/monitoring:1"
    made.config["serving"]["executor"] = "mp"
    made.config["monitoring"] = {
        "enabled": True, "grafana": False, "retention": "1d",
        "prometheusImage": image, "alertmanagerImage": image, "nodeExporterImage": image,
    }  # fmt: skip
    return made


def receive(deployment: Deployment) -> Receiver:
    """A webhook that its machines reach."""
    return Receiver(deployment.subnet.replace(".0/24", ".1"))


def up(deployment: Deployment, webhook: Receiver) -> dict[str, Any]:
    """Its outputs, with alerts going to the webhook."""
    deployment.write(deployment.changed_config())
    url = f"http://{webhook.server_address[0]!s}:{PORT}/token"
    file = ("--stack", "test", "--config-file", str(deployment.config_file))
    deployment.pulumi("config", "set", "--secret", "--path", "tandem:alertReceivers.webhook", url, *file).good()
    deployment.pulumi("up", "--yes", "--skip-preview", *file, timeout=2000).good()
    return deployment.outputs()


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
