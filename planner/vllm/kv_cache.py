"""The KV cache as vLLM lays it out: groups of layers, pages, blocks a request.

Source: vllm/v1/core/kv_cache_utils.py (get_kv_cache_groups, get_num_blocks, get_max_concurrency_for_kv_cache_config)
and vllm/v1/kv_cache_interface.py, read in 0.24.0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from planner.model.shapes import LatentAttention, LayerKind, LinearAttention, Model
from planner.split import Split
from planner.vllm.arguments import EngineArguments

STATE_BYTES = 2
"""Bytes of an element of a linear-attention state: mamba_ssm_cache_dtype auto keeps the model's 16 bits."""


@dataclass(frozen=True)
class Group:
    """Layers that share a block table.

    Attributes:
        kind: what they remember.
        layers: their numbers in the whole model.
        request_blocks: blocks that one request of the full context needs.
    """

    kind: LayerKind
    layers: tuple[int, ...]
    request_blocks: int


@dataclass(frozen=True)
class KvLayout:
    """How a model's KV cache is cut.

    Attributes:
        page: bytes of one block of one layer, on one rank.
        block_size: tokens of a block of full attention.
        groups: the groups of layers, over the whole model.
    """

    page: int
    block_size: int
    groups: tuple[Group, ...]

    @property
    def request_blocks(self) -> int:
        """Blocks, over all groups, that one request of the full context needs."""
        return sum(group.request_blocks for group in self.groups)

    def fits(self, blocks: int, whole: int | None) -> bool:
        """Whether one request of the full context does; see `fitting_length`."""
        return self.request_blocks <= blocks and (whole is None or self.demand() <= whole)

    def demand(self) -> int:
        """Bytes of one request of the full context, all stages' layers together, as vLLM 0.14 to 0.16 counts them."""
        most = max(len(group.layers) for group in self.groups)
        return most * self.page * self.groups[0].request_blocks

    def block_bytes(self, layers: range) -> int:
        """Bytes of one block on the stage that holds `layers`: as many pages as its largest group has layers."""
        return self.page * max(sum(1 for i in group.layers if i in layers) for group in self.groups)


def kv_layout(model: Model, split: Split, arguments: EngineArguments) -> KvLayout:
    """Cuts the cache for one rank.

    Args:
        model: the model.
        split: KV heads are divided by the tensor-parallel size, and copied where there are fewer; MLA's aren't.
        arguments: context, block size, KV type and batch of the engine.
    """
    token = _token_bytes(model, split, arguments)
    block, page = arguments.block_size, arguments.block_size * token
    if model.linear is not None:
        # A state's page is padded to an attention page, which is made large enough (_align_hybrid_block_size).
        block = 16 * max(1, ceil(_state_bytes(model.linear, split) / (16 * token)))
        page = block * token
    kinds = [kind if arguments.hybrid_groups or kind == "linear" else "full" for kind in model.kinds]
    if set(model.kinds) == {"sliding"}:
        kinds = list(model.kinds)
    groups = [
        Group(kind, layers, _request_blocks(model, split, kind, block, arguments=arguments))
        for kind, layers in _grouped([*kinds])
    ]  # fmt: skip
    return KvLayout(page, block, tuple(groups))


def fitting_length(
    model: Model, split: Split, arguments: EngineArguments, blocks: int, whole: int | None = None
) -> int:
    """The longest context of which one request fits, in tokens; 0 when none does.

    Args:
        model: the model.
        split: how it is split.
        arguments: the engine's.
        blocks: of the whole model's layout, which every stage has.
        whole: bytes of a stage's cache that all stages' layers must fit into; None where each stage has its own.
    """
    low, high = 0, arguments.max_model_len
    while low < high:
        middle = (low + high + 1) // 2
        shorter = replace(arguments, max_model_len=middle)
        if kv_layout(model, split, shorter).fits(blocks, whole):
            low = middle
        else:
            high = middle - 1
    return low


def token_bytes(model: Model, split: Split, arguments: EngineArguments, layers: range) -> int:
    """Bytes a token takes on the stage that holds `layers`, linear-attention layers not counted."""
    remembering = sum(1 for i in layers if model.kinds[i] != "linear")
    return remembering * _token_bytes(model, split, arguments)


def _token_bytes(model: Model, split: Split, arguments: EngineArguments) -> int:
    a = model.attention
    if isinstance(a, LatentAttention):
        return (a.kv_lora_rank + a.rope_dim) * arguments.kv_bytes
    return 2 * max(1, a.kv_heads // split.tensor) * a.head_dim * arguments.kv_bytes


def _state_bytes(a: LinearAttention, split: Split) -> int:
    window = (2 * a.key_heads * a.key_dim + a.value_heads * a.value_dim) // split.tensor * (a.kernel - 1)
    state = a.value_heads // split.tensor * a.value_dim * a.key_dim
    return (window + state) * STATE_BYTES


def _request_blocks(model: Model, split: Split, kind: LayerKind, block: int, *, arguments: EngineArguments) -> int:
    if kind == "linear":
        return arguments.state_blocks
    window = model.grouped.window if model.grouped else None
    if kind == "sliding" and window is not None:
        batches = 1 if arguments.ahead is None else split.pipeline + arguments.ahead
        tokens = min(window - 1 + batches * arguments.max_num_batched_tokens, arguments.max_model_len)
        return ceil(tokens / block) + 1
    return ceil(arguments.max_model_len / block)


def _grouped(kinds: list[LayerKind]) -> list[tuple[LayerKind, tuple[int, ...]]]:
    """`_get_kv_cache_groups_uniform_page_size`: groups of as many layers as the rarest kind has."""
    by_kind = {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in dict.fromkeys(kinds)}
    least, most = min(map(len, by_kind.values())), max(map(len, by_kind.values()))
    size = most if most < least * 1.5 else least
    groups = []
    for kind, layers in by_kind.items():
        count = ceil(len(layers) / size)
        groups += [(kind, tuple(layers[i::count])) for i in range(count)]
    return groups
