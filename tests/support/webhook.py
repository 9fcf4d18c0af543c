"""Where a deployment's alerts arrive: Alertmanager's webhook, with the time of each."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8655


class Receiver(ThreadingHTTPServer):
    """Keeps what Alertmanager sends.

    Attributes:
        alerts: each alert, with the time (`time.time()`) at which it came.
    """

    def __init__(self, address: str) -> None:
        super().__init__((address, PORT), Webhook)
        self.alerts: list[tuple[float, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{PORT}/token"

    def fired(self, name: str, since: float) -> list[tuple[float, dict[str, Any]]]:
        """Alerts of a name that began to fire after a time; those that fired before come again with each new one."""
        return [
            (at, alert)
            for at, alert in self.alerts
            if alert["status"] == "firing"
            and alert["labels"]["alertname"] == name
            and datetime.fromisoformat(alert["startsAt"]).timestamp() > since
        ]

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Webhook(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.alerts += [(time.time(), alert) for alert in message["alerts"]]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def listen(subnet: str) -> Receiver:
    """On the first address of a /24, which is this computer's."""
    server = Receiver(subnet.replace(".0/24", ".1"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def firing(*servers: Receiver) -> dict[str, Any]:
    """The last alert of each name that they got."""
    got = [alert for server in servers for _, alert in server.alerts]
    return {alert["labels"]["alertname"]: alert for alert in got if alert["status"] == "firing"}
