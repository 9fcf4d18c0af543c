"""What the engine's own class of a model holds, as `python -m planner record` wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from planner.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

Cache = tuple[int, Literal["full", "sliding", "chunked", "linear"], int, int | None]
"""Layer, what it remembers, bytes of a token or of a state, window."""

NAME = "engine-record.json"
"""The file beside a model's config.json that `plan` and `memory` look for."""


class Rank(NamedTuple):
    """One tensor-parallel rank; tensors are (name, bytes).

    Attributes:
        layers: tensors of each layer.
        whole: tensors outside of layers, of an engine with one stage.
        ends: those of a first, a middle and a last stage; empty where the class can't be cut into stages.
        caches: what the layers remember.
    """

    layers: tuple[tuple[tuple[str, int], ...], ...]
    whole: tuple[tuple[str, int], ...]
    ends: tuple[tuple[tuple[str, int], ...], ...]
    caches: tuple[Cache, ...]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A model's record. Two records are equal when they are the same object.

    Attributes:
        engine: the vLLM version that answered.
        ranks: by tensor-parallel size, with `e` behind it for experts spread over ranks.
        refused: the engine's own words for sizes that it can't do, by the same keys.
    """

    engine: str
    ranks: dict[str, Rank]
    refused: dict[str, str]

    def rank(self, tensor: int, expert: bool) -> Rank:
        """What a rank of `tensor` holds.

        Raises:
            Refusal: `not_recorded`, or `engine_refuses` in the engine's words.
        """
        key = f"{tensor}{'e' if expert and tensor > 1 else ''}"
        if key in self.ranks:
            return self.ranks[key]
        if key in self.refused:
            raise Refusal(
                "engine_refuses",
                "tensor_parallel_size",
                f"vLLM {self.engine} says: {self.refused[key]}",
                f"one of {', '.join(self.ranks)}",
            )
        raise Refusal(
            "not_recorded",
            "tensor_parallel_size",
            f"TP{key} isn't in the engine's record, which has {', '.join(self.ranks)}",
            f"python -m planner record with --tensor-parallel-size {key}",
        )

    def caches(self, tensor: int) -> tuple[Cache, ...]:
        """What the layers remember on a rank of `tensor`."""
        key = str(tensor)
        return (self.ranks[key] if key in self.ranks else self.rank(tensor, True)).caches


def read_record(file: Path) -> Recorded:
    """Reads a record.

    Raises:
        Refusal: `record_unreadable`.
    """
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        return _recorded(given)
    except OSError as error:
        reason = str(error.strerror)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:120]
    raise Refusal("record_unreadable", "config", f"{file}: {reason}", "write it again: python -m planner record")


def _recorded(given: dict[str, Any]) -> Recorded:
    ranks = {key: _rank(value) for key, value in given["ranks"].items()}
    return Recorded(str(given["engine"]), ranks, dict(given["refused"]))


def _rank(given: dict[str, Any]) -> Rank:
    kinds = [_tensors(kind) for kind in given["kinds"]]
    return Rank(
        tuple(kinds[i] for i in given["layers"]),
        _tensors(given["whole"]),
        tuple(_tensors(end) for end in given["ends"]),
        tuple(cast("Cache", tuple(c)) for c in given["caches"]),
    )


def _tensors(given: list[list[Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(size)) for name, size in given)
