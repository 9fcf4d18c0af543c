"""The weights: one writer, resumable, verified, on the storage that all machines share."""

from components.models.nearly import Nearly
from components.models.weights import Weights, WeightsArgs

__all__ = ["Nearly", "Weights", "WeightsArgs"]
