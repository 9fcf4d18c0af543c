"""Memory of LoRA adapters' slots, which is taken when the engine starts, however many adapters are loaded.

Source: vllm 0.33.0, lora/layers/base_linear.py, fused_moe.py, vocab_parallel_embedding.py and logits_processor.py
(create_lora_weights), lora/layers/row_parallel_linear.py and column_parallel_linear.py (which side is cut).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from planner.model.shapes import Model
from planner.split import Split
from planner.vllm.tensors import StageTensors

CUT_COLUMNS = ("o_proj", "down_proj", "out_proj")
"""Linear layers whose input tensor parallelism divides."""


class Lora(NamedTuple):
    """Adapters as the engine's arguments give them.

    Attributes:
        slots: adapters on the GPUs at once (`max_loras`).
        rank: the highest (`max_lora_rank`).
        sharded: the uncut side is divided, too (`fully_sharded_loras`).
        experts: routed experts have slots as well.
    """

    slots: int
    rank: int
    sharded: bool = False
    experts: bool = True


class _Slots(StageTensors):
    """Lists a slot's matrices A and B where a linear layer stood."""

    def __init__(self, model: Model, split: Split, lora: Lora) -> None:
        super().__init__(model, split)
        self.lora = lora

    def _linear(
        self,
        name: str,
        rows: int,
        columns: int,
        index: int,
        *,
        bias: int = 0,
        parts: tuple[int, ...] | None = None,
    ) -> Iterator[tuple[str, int]]:
        del index, bias
        yield from self._slot(name, 1, rows, columns, len(parts or (rows,)))

    def _grouped(
        self, name: str, count: int, rows: int, columns: int, index: int, *, parts: int
    ) -> Iterator[tuple[str, int]]:
        del index
        if self.lora.experts:
            yield from self._slot(name, count, rows, columns, parts)

    def _slot(self, name: str, count: int, rows: int, columns: int, parts: int) -> Iterator[tuple[str, int]]:
        rank, shared = self.lora.rank, self.tp if self.lora.sharded else 1
        by_column = name.endswith((*CUT_COLUMNS, "w2"))
        first = parts * columns * (rank if by_column else -(-rank // shared))
        second = (-(-rows // shared) if by_column else rows) * rank
        yield f"lora.{name}", count * (first + second) * self.lora.slots * self.unit


@lru_cache(maxsize=1024)
def lora_memory(model: Model, split: Split, layers: range, lora: Lora) -> int:
    """Bytes of the slots on a rank of the stage that holds `layers`."""
    lister = _Slots(model, split, lora)
    total = sum(t.nbytes for layer in layers for t in lister.layer(layer) if t.name.startswith("lora."))
    table = lora.slots * lora.rank * (model.vocab + model.hidden) * model.dtype_bytes
    return total + table * ((layers.start == 0) + (layers.stop == model.layers))
