"""The weights: one writer, resumable, verified, on the storage that all machines share."""

from components.weights.early_start import EarlyStart
from components.weights.weights import Weights, WeightsArgs

__all__ = ["EarlyStart", "Weights", "WeightsArgs"]
