"""Is it alive, how fast, how full, and what is wrong: Prometheus, Alertmanager, Grafana, exporters and their rules."""

from components.monitoring.alertmanager import MailServer
from components.monitoring.login import MonitoringLogin
from components.monitoring.monitoring import Monitoring, MonitoringArgs
from components.monitoring.prometheus import PATH, Ports

__all__ = ["PATH", "MailServer", "Monitoring", "MonitoringArgs", "MonitoringLogin", "Ports"]
