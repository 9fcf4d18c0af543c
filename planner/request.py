"""What the planner is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from planner.cluster import Cluster
from planner.engine import Engine
from planner.model.entry import ModelEntry
from planner.split import Split
from planner.timeline import Start


@dataclass(frozen=True)
class PlanRequest:
    """What a user wants.

    Attributes:
        model: from `planner.find_model`.
        clusters: machines to choose from; one entry where they are given.
        engine: serving engine.
        engine_version: vLLM's version; vllm-ascend is counted by vLLM's rules, and SGLang's layers are.
        arguments: engine arguments by name, such as max_model_len, as text.
        concurrency: requests of the full context that must fit at once.
        streams: requests at once by whose speed plans are compared; None where nobody says.
        tensor_parallel_size: given, or None to choose.
        pipeline_parallel_size: given, or None to choose.
        data_parallel_size: data parallel ranks.
        choose_data_parallel: these and expert parallelism may be chosen, too, where both other sizes are.
        start: what there is when `pulumi up` begins, and how fast things go.
        partition: layers of each stage as VLLM_PP_LAYER_PARTITION says; None for the engine's own rule.
        whole: every accelerator must be used, as those who start the ranks want it.
    """

    model: ModelEntry
    clusters: tuple[Cluster, ...]
    engine: Engine = Engine.VLLM
    engine_version: str = "0.24.0"
    arguments: dict[str, str] = field(default_factory=dict)
    concurrency: float = 1.0
    streams: int | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int = 1
    choose_data_parallel: bool = False
    start: Start = field(default_factory=Start)
    partition: tuple[int, ...] | None = None
    whole: bool = False

    def for_split(self, split: Split) -> PlanRequest:
        """The same request for one split."""
        arguments = self.arguments | ({"enable_expert_parallel": "true"} if split.expert_parallel else {})
        return replace(
            self,
            tensor_parallel_size=split.tensor,
            pipeline_parallel_size=split.pipeline,
            data_parallel_size=split.data,
            arguments=arguments,
            choose_data_parallel=False,
        )
