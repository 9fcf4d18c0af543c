"""What the outside reaches: one port, TLS, keys, an allow-list; Caddy in both runtimes."""

from components.gateway.answer import Answer
from components.gateway.caddy import KEY_PATTERN, TEAM, Config, Page, Tls
from components.gateway.gateway import Gateway
from components.gateway.monitoring_routes import Monitored

__all__ = ["KEY_PATTERN", "TEAM", "Answer", "Config", "Gateway", "Monitored", "Page", "Tls"]
