"""What the outside reaches: one port, a key, an allow-list."""

from components.gateway.answer import Answer
from components.gateway.gateway import KEY_PATTERN, Front, Gateway

__all__ = ["KEY_PATTERN", "Answer", "Front", "Gateway"]
