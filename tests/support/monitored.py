"""A deployment of tests with monitoring, whose alerts reach a webhook of theirs."""

from __future__ import annotations

from typing import Any

from tests.support.deployment import Deployment
from tests.support.webhook import Receiver


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
