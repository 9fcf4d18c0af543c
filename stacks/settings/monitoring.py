"""Settings of monitoring: what is measured, how long it is kept, and whom an alert reaches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.monitoring import MailServer
from stacks import versions
from stacks.settings.base import Port, SettingsModel
from stacks.settings.text_types import HostPort, Image

Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$")]


class MailSettings(SettingsModel):
    """Alerts by mail."""

    to: tuple[Address, ...] = Field(min_length=1, description="whom alerts are sent to, such as ops@example.com")
    sender: Address = Field(description="the address that they come from")
    server: HostPort = Field(description="the mail server, host:port, such as smtp.example.com:587")
    user: str = Field("", description="its login; the password is the secret alertReceivers.mailPassword")
    tls: bool = Field(True, description="STARTTLS is required; port 465 speaks TLS from the start")

    @property
    def args(self) -> MailServer:
        """For Alertmanager."""
        return MailServer(self.to, self.sender, self.server, self.user, self.tls)


class MonitoringSettings(SettingsModel):
    """Prometheus, Alertmanager and Grafana on the first machine, exporters on all."""

    enabled: bool = Field(False, description="metrics, alerts and a dashboard behind the gateway, at /monitoring/")
    retention: str = Field("15d", pattern=r"^[1-9]\d*[hdwy]$", description="how long metrics are kept, such as 15d")
    max_gib: int = Field(10, ge=1, le=10000, description="the disk that they may take, GiB; the oldest go first")
    grafana: bool = Field(True, description="a dashboard; without it Prometheus' own pages are there")
    mail: MailSettings | None = Field(
        None, description="alerts by mail (to, sender, server, user, tls); other receivers: the secret alertReceivers"
    )
    first_port: Port = Field(9390, description="the first of 5 ports on loopback of the first machine")
    exporter_port: Port = Field(9490, description="the first of 2 ports on every machine, for the machines alone")
    npu_exporter_port: Port | None = Field(
        None, description="Ascend: where an npu-exporter of yours listens on every machine, such as 8082"
    )
    prometheus_image: Image = Field(versions.PROMETHEUS_IMAGE, description="Prometheus' image")
    alertmanager_image: Image = Field(versions.ALERTMANAGER_IMAGE, description="Alertmanager's image")
    node_exporter_image: Image = Field(versions.NODE_EXPORTER_IMAGE, description="the node exporter's image")
    gpu_exporter_image: Image = Field(versions.GPU_EXPORTER_IMAGE, description="nvidia: the DCGM exporter's image")
    grafana_image: Image = Field(versions.GRAFANA_IMAGE, description="Grafana's image")
