"""Engines: one file each, and the supervisor that lets a replica's ranks live and die together."""

from components.serving.vllm import Vllm, VllmArgs

__all__ = ["Vllm", "VllmArgs"]
