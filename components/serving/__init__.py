"""Engines: one file each, one component that runs whichever, and the supervisor that keeps its ranks together."""

from components.serving.engine import GROUP_PORT, Engine, ServeArgs
from components.serving.engines import EngineName, find_engine
from components.serving.replica import Replica

__all__ = ["GROUP_PORT", "Engine", "EngineName", "Replica", "ServeArgs", "find_engine"]
