"""What the outside reaches: one port, a key, an allow-list."""

from components.gateway.gateway import Gateway

__all__ = ["Gateway"]
