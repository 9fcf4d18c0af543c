"""What each layer of a model keeps of the tokens it has seen, on one tensor-parallel rank."""

from functools import lru_cache
from typing import NamedTuple

from planner.model.shapes import Attention, LatentAttention, LayerKind, Model


class LayerCache(NamedTuple):
    """One cache of one layer.

    Attributes:
        layer: its number in the whole model.
        kind: what it remembers.
        size: bytes of a token, or of the whole state of a linear layer.
        window: tokens that a sliding or chunked layer sees; None for other kinds.
    """

    layer: int
    kind: LayerKind
    size: int
    window: int | None = None


@lru_cache(maxsize=4096)
def layer_caches(model: Model, tensor: int, kv_bytes: int) -> tuple[LayerCache, ...]:
    """The caches of every layer, in order.

    Args:
        model: the model.
        tensor: tensor-parallel size. KV heads are divided by it, and copied where there are fewer; MLA's aren't.
        kv_bytes: bytes of an element of the KV cache; states keep their own type.
    """
    if model.recorded is not None:
        return tuple(
            LayerCache(layer, kind, size if kind == "linear" else size * kv_bytes // model.dtype_bytes, window)
            for layer, kind, size, window in model.recorded.caches(tensor)
        )
    found = []
    for layer, kind in enumerate(model.kinds):
        if kind == "none":
            continue
        if model.linear is not None and (kind == "linear" or model.both):
            found.append(LayerCache(layer, "linear", model.linear.state_bytes(tensor)))
        if kind == "linear":
            continue
        a = model.sliding if kind == "sliding" and model.sliding is not None else model.attention
        window = a.window if kind in ("sliding", "chunked") and isinstance(a, Attention) else None
        if isinstance(a, LatentAttention) and a.index_heads:
            # 8-bit keys with a 32-bit scale for each 128 elements (DeepseekV32IndexerCache).
            found.append(LayerCache(layer, kind, a.index_dim + a.index_dim // 128 * 4))
        found.append(LayerCache(layer, kind, _token_bytes(a, tensor, kv_bytes), window))
    return tuple(found)


def _token_bytes(a: Attention | LatentAttention, tensor: int, kv_bytes: int) -> int:
    if isinstance(a, LatentAttention):
        return (a.kv_lora_rank + a.rope_dim) * kv_bytes
    return max(1, a.kv_heads // tensor) * (a.head_dim + (a.value_dim or a.head_dim)) * kv_bytes
