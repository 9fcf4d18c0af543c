"""The wire's own form of things: JSON objects."""

from typing import Any

Json = dict[str, Any]
