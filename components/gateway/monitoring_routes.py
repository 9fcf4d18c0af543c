"""Routes of monitoring: a login of its own before Grafana, Prometheus and Alertmanager, and metrics for loopback."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PATH = "/monitoring"
REALM = 'Basic realm="monitoring", charset="UTF-8"'


@dataclass(frozen=True)
class Monitored:
    """What is behind the login, all on loopback.

    Attributes:
        user: the login's name.
        password: its password, a secret.
        prometheus_port: where Prometheus listens.
        alertmanager_port: where Alertmanager listens.
        grafana_port: where Grafana listens; None where it is off, and Prometheus' own pages are there.
        metrics_port: where the gateway's own metrics are on loopback, for Prometheus alone.
    """

    user: str
    password: str
    prometheus_port: int
    alertmanager_port: int
    grafana_port: int | None
    metrics_port: int


def monitoring_route(monitored: Monitored, proxy: Callable[[str], Json]) -> Json:
    """One route for all below PATH.

    The login is compared whole, as API keys are; what it lets through is in no access log and no count by key.

    Args:
        monitored: what is behind it.
        proxy: a handler that passes on to an address.
    """

    def backend(port: int) -> Json:
        return {**proxy(f"127.0.0.1:{port}"), "headers": {"request": {"delete": ["Authorization"]}}}

    word = base64.b64encode(f"{monitored.user}:{monitored.password}".encode()).decode()
    login = {
        "handler": "map",
        "source": "{http.request.header.Authorization}",
        "destinations": ["{monitoring_login}"],
        "mappings": [{"input": f"Basic {word}", "outputs": ["good"]}],
        "defaults": ["none"],
    }
    ask = {
        "handler": "static_response",
        "status_code": 401,
        "headers": {"WWW-Authenticate": [REALM], "Content-Type": ["text/plain; charset=utf-8"]},
        "body": "Log in with the outputs monitoringLogin and monitoringPassword of the stack.\n",
    }
    starting = {
        "handler": "static_response",
        "status_code": 503,
        "headers": {"Content-Type": ["text/plain; charset=utf-8"]},
        "body": "Monitoring is starting, or down; the model's API does not need it.\n",
    }
    parts = {
        f"{PATH}/prometheus": monitored.prometheus_port,
        f"{PATH}/alertmanager": monitored.alertmanager_port,
    }
    away = f"{PATH}/" if monitored.grafana_port else f"{PATH}/prometheus/"
    moved = {"handler": "static_response", "status_code": 302, "headers": {"Location": [away]}}
    inside = [
        {"handle": [login]},
        {"match": [{"vars": {"{monitoring_login}": ["none"]}}], "handle": [ask], "terminal": True},
        {"handle": [{"handler": "vars", "log_skip": True}]},
        *(
            {"match": [{"path": [path, f"{path}/*"]}], "handle": [backend(port)], "terminal": True}
            for path, port in parts.items()
        ),
        {
            "match": [{"path": [PATH, *([] if monitored.grafana_port else [f"{PATH}/*"])]}],
            "handle": [moved],
            "terminal": True,
        },
        *([{"handle": [backend(monitored.grafana_port)]}] if monitored.grafana_port else []),
    ]
    failed = {"routes": [{"handle": [starting]}]}
    return {
        "match": [{"path": [PATH, f"{PATH}/*"]}],
        "handle": [{"handler": "subroute", "routes": inside, "errors": failed}],
        "terminal": True,
    }


def metrics_server(monitored: Monitored, keys: Json) -> Json:
    """A server on loopback with Caddy's own metrics and, by the handler `keys`, those by API key."""
    return {
        "listen": [f"127.0.0.1:{monitored.metrics_port}"],
        "automatic_https": {"disable": True},
        "routes": [
            {"match": [{"path": ["/gateway/metrics"]}], "handle": [{"handler": "metrics"}]},
            {"match": [{"path": ["/gateway/metrics/keys"]}], "handle": [keys]},
        ],
    }
