"""How a model is split over accelerators."""

from __future__ import annotations

from dataclasses import dataclass

from planner.counted import counted
from planner.refusal import Change, Refusal

PARTITION = "VLLM_PP_LAYER_PARTITION"
"""vLLM's environment variable with the layers of each stage."""


@dataclass(frozen=True)
class Split:
    """Tensor x pipeline parallel, optionally with experts spread instead of cut.

    Attributes:
        tensor: accelerators that share each layer.
        pipeline: stages.
        expert_parallel: routed experts are spread over the `tensor` ranks whole.
        partition: layers of each stage; None for the engine's own rule.
    """

    tensor: int = 1
    pipeline: int = 1
    expert_parallel: bool = False
    partition: tuple[int, ...] | None = None

    @property
    def world_size(self) -> int:
        """Accelerators of one replica."""
        return self.tensor * self.pipeline

    def stages(self, layers: int) -> list[range]:
        """The layers of each stage.

        Layers that are left over go one each to the stages before the last one, from the back: the last stage
        holds the head (`get_pp_indices`, vllm/distributed/utils.py, the same from 0.8.5 to 0.33.0).

        Raises:
            Refusal: `bad_partition` when `partition` doesn't add up.
        """
        if self.partition is not None:
            if len(self.partition) != self.pipeline or sum(self.partition) != layers or min(self.partition) < 1:
                even = ",".join(str(len(r)) for r in Split(1, self.pipeline).stages(layers))
                raise Refusal(
                    "bad_partition", PARTITION,
                    f"{','.join(map(str, self.partition))} isn't {counted(self.pipeline, 'stage')} of "
                    f"{counted(layers, 'layer')} together",
                    changes=[Change(PARTITION, even)],
                )  # fmt: skip
            sizes = list(self.partition)
        else:
            sizes = [layers // self.pipeline] * self.pipeline
            for i in range(2, layers % self.pipeline + 2):
                sizes[-i] += 1
        starts = [sum(sizes[:i]) for i in range(self.pipeline)]
        return [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
