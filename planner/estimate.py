"""What every estimate of an engine's memory has, whichever engine it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from planner.split import Split


@dataclass(frozen=True)
class Estimate(ABC):
    """What an engine holds of a model on the machines.

    Attributes:
        split: tensor and pipeline parallel sizes; 1 x 1 where whole layers are laid on devices.
        notes: what a reader should know, one sentence each.
    """

    split: Split
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def weights_bytes(self) -> float:
        """Bytes of weights on all devices and hosts together."""

    @property
    @abstractmethod
    def captures_graphs(self) -> bool:
        """Whether the engine captures CUDA graphs as it starts, which takes time."""

    @abstractmethod
    def summary(self, machines: str) -> str:
        """How the model lies on the machines and what they serve, in one line.

        Args:
            machines: how a sentence names them, `Cluster.words`.
        """
