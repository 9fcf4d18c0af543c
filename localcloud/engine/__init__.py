"""The CPU engine of the local stack: its environment, its container images and its models."""

from localcloud.engine.environment import ensure_environment
from localcloud.engine.images import ensure_images
from localcloud.engine.llamacpp import ensure_llamacpp
from localcloud.engine.model import ensure_gguf, ensure_instruct_model, ensure_model
from localcloud.engine.ollama import ensure_ollama

__all__ = [
    "ensure_environment",
    "ensure_gguf",
    "ensure_images",
    "ensure_instruct_model",
    "ensure_llamacpp",
    "ensure_model",
    "ensure_ollama",
]
