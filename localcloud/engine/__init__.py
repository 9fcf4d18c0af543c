"""The CPU engine of the local stack: its environment, its container images and a tiny model."""

from localcloud.engine.environment import ensure_environment
from localcloud.engine.images import ensure_images
from localcloud.engine.model import ensure_model

__all__ = ["ensure_environment", "ensure_images", "ensure_model"]
