"""How a model is split over accelerators."""

from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from planner.pluralize import pluralize
from planner.refusal import Change, Refusal

PARTITION = "VLLM_PP_LAYER_PARTITION"
"""vLLM's environment variable with the layers of each stage."""


class Split(NamedTuple):
    """Tensor x pipeline x data parallel, optionally with experts spread instead of cut.

    Data parallel ranks have attention weights and KV cache of their own and answer requests of their own. Routed
    experts they share: cut or spread over `tensor` x `data` ranks (FusedMoEParallelConfig.make in
    fused_moe/config.py, vLLM 0.32.0; the same in 0.8.5).

    Attributes:
        tensor: accelerators that share each layer.
        pipeline: stages.
        expert_parallel: routed experts are spread whole over the `expert_ranks`.
        partition: layers of each stage; None for the engine's own rule.
        data: data parallel ranks, each of `tensor` x `pipeline` accelerators.
        redundant: copies of routed experts, in each layer, beside the model's own; None where the engine doesn't
            balance experts over ranks (EPLB).
    """

    tensor: int = 1
    pipeline: int = 1
    expert_parallel: bool = False
    partition: tuple[int, ...] | None = None
    data: int = 1
    redundant: int | None = None

    @property
    def world_size(self) -> int:
        """Accelerators of all data parallel ranks together."""
        return self.tensor * self.pipeline * self.data

    @property
    def expert_ranks(self) -> int:
        """Accelerators that share the routed experts of a layer."""
        return self.tensor * self.data

    @property
    def sequence_parallel_experts(self) -> bool:
        """Whether each rank sends its share of the tokens to the experts, and has shared experts whole.

        `use_sequence_parallel_moe` in vLLM's config/parallel.py, from 0.11.0.
        """
        return self.expert_parallel and self.tensor > 1 and self.data > 1

    @property
    def short(self) -> str:
        """The split as a table has it: `TP8 PP2`, `TP1 PP1 DP16 EP`."""
        data = f" DP{self.data}" if self.data > 1 else ""
        return f"TP{self.tensor} PP{self.pipeline}{data}{' EP' if self.expert_parallel else ''}"

    @property
    def words(self) -> str:
        """The split as a sentence has it: `TP8 x PP1`, `TP1 x PP1 x DP16, experts spread (EP16)`."""
        data = f" x DP{self.data}" if self.data > 1 else ""
        experts = f", experts spread (EP{self.expert_ranks})" if self.expert_parallel else ""
        return f"TP{self.tensor} x PP{self.pipeline}{data}{experts}"

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
                    "bad_partition",
                    PARTITION,
                    f"{','.join(map(str, self.partition))} isn't {pluralize(self.pipeline, 'stage')} of "
                    f"{pluralize(layers, 'layer')} together",
                    changes=[Change(PARTITION, even)],
                )
            sizes = self.partition
        else:
            sizes = _even(layers, self.pipeline)
        return [range(stop - size, stop) for stop, size in zip(accumulate(sizes), sizes, strict=True)]


@lru_cache(maxsize=1024)
def _even(layers: int, pipeline: int) -> tuple[int, ...]:
    sizes = [layers // pipeline] * pipeline
    for i in range(2, layers % pipeline + 2):
        sizes[-i] += 1
    return tuple(sizes)
