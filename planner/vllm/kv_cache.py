"""The KV cache as vLLM lays it out: groups of layers, pages, blocks a request.

Source: vllm/v1/core/kv_cache_utils.py (get_kv_cache_groups, get_num_blocks, get_max_concurrency_for_kv_cache_config)
and vllm/v1/kv_cache_interface.py, read in 0.24.0.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import ceil
from typing import NamedTuple

from planner.model.caches import LayerCache, layer_caches
from planner.model.shapes import LayerKind, Model
from planner.split import Split
from planner.vllm.arguments import EngineArguments
from planner.vllm.speculative import Speculative, proposer_caches

_Member = tuple[LayerCache, int, int]
"""A layer's cache, tokens of its block, bytes of its page."""


class Group(NamedTuple):
    """Layers that share a block table.

    Attributes:
        kind: what they remember.
        layers: their numbers in the whole model, a proposer's behind them; a layer that remembers two things stands
            here twice.
        sums: bytes of one block of the first none, one, two, ... of them, on one rank.
        request_blocks: blocks that one request of the full context needs.
    """

    kind: LayerKind
    layers: tuple[int, ...]
    sums: tuple[int, ...]
    request_blocks: int


class KvLayout(NamedTuple):
    """How a model's KV cache is cut.

    Attributes:
        block_size: tokens of a block of full attention.
        groups: the groups of layers, over the whole model.
    """

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
        return max(group.sums[-1] for group in self.groups) * self.groups[0].request_blocks


def stage_block_bytes(model: Model, split: Split, arguments: EngineArguments) -> tuple[int, ...]:
    """Bytes of one block on each stage: the pages of its largest group there.

    Layers that propose tokens lie on the last stage.
    """
    a = arguments
    cut = (split.tensor, a.kv_bytes, a.block_size, a.hybrid_groups, a.speculative)
    return _stage_block_bytes(model, *cut, split.pipeline, split.partition)


@lru_cache(maxsize=4096)
def _stage_block_bytes(  # noqa: PLR0917  # what it is cached by
    model: Model,
    tensor: int,
    kv_bytes: int,
    block: int,
    hybrid: bool,
    speculative: Speculative | None,
    pipeline: int,
    partition: tuple[int, ...] | None,
) -> tuple[int, ...]:
    _, buckets = _buckets(model, tensor, kv_bytes, block, hybrid, speculative)
    found = []
    for span in Split(1, pipeline, partition=partition).stages(model.layers):
        stop = 2**31 if span.stop == model.layers else span.stop
        found.append(
            max(b.sums[bisect_left(b.layers, stop)] - b.sums[bisect_left(b.layers, span.start)] for b in buckets)
        )
    return tuple(found)


def kv_layout(model: Model, split: Split, arguments: EngineArguments) -> KvLayout:
    """Cuts the cache for one rank.

    Args:
        model: the model.
        split: KV heads are divided by the tensor-parallel size, and copied where there are fewer; MLA's aren't.
        arguments: context, block size, KV type and batch of the engine.
    """
    block, buckets = _buckets(
        model, split.tensor, arguments.kv_bytes, arguments.block_size, arguments.hybrid_groups, arguments.speculative
    )
    groups = tuple(
        Group(b.cache.kind, b.layers, b.sums, _request_blocks(b.cache, b.block, split, arguments)) for b in buckets
    )
    return KvLayout(block, groups)


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
        shorter = arguments._replace(max_model_len=middle)
        if kv_layout(model, split, shorter).fits(blocks, whole):
            low = middle
        else:
            high = middle - 1
    return low


def token_bytes(model: Model, split: Split, kv_bytes: int, stages: Sequence[range]) -> list[int]:
    """Bytes a token takes on each of the stages, by their layers; states of fixed size not counted."""
    sums = _token_sums(model, split.tensor, kv_bytes)
    return [sums[layers.stop] - sums[layers.start] for layers in stages]


@lru_cache(maxsize=4096)
def _token_sums(model: Model, tensor: int, kv_bytes: int) -> tuple[int, ...]:
    """Bytes that a token takes in the first none, one, two, ... layers."""
    sizes = [0] * model.layers
    for each in layer_caches(model, tensor, kv_bytes):
        sizes[each.layer] += 0 if each.kind == "linear" else each.size
    return tuple(accumulate(sizes, initial=0))


class _Bucket(NamedTuple):
    """Layers of one group: the first's cache, their numbers, the sums of their pages, and the tokens of a block."""

    cache: LayerCache
    layers: tuple[int, ...]
    sums: tuple[int, ...]
    block: int


@lru_cache(maxsize=4096)
def _buckets(  # noqa: PLR0917  # what it is cached by
    model: Model, tensor: int, kv_bytes: int, block: int, hybrid: bool, speculative: Speculative | None
) -> tuple[int, tuple[_Bucket, ...]]:
    """The block size of full attention, and the groups (`get_kv_cache_groups`)."""
    caches = [*layer_caches(model, tensor, kv_bytes), *proposer_caches(model, speculative, tensor, kv_bytes)]
    tokens = [c for c in caches if c.kind != "linear"]
    if not hybrid and any(c.kind == "full" for c in tokens):
        caches = [c if c.kind == "linear" else c._replace(kind="full", window=None) for c in caches]
        tokens = [c for c in caches if c.kind != "linear"]
    if len(tokens) < len(caches):
        state = max(c.size for c in caches if c.kind == "linear")
        if not tokens:
            return block, (_bucket([(c, block, state) for c in caches]),)
        # A state's page is padded to an attention page, which is made large enough (_align_hybrid_block_size).
        block = 16 * max(1, ceil(state / (16 * max(c.size for c in tokens))))
    if len({(c.kind, c.window) for c in caches}) == 1:
        # One type: layers of different sizes stay as they are (UniformTypeKVCacheSpecs).
        return block, (_bucket([(c, block, block * c.size) for c in caches]),)
    page = block * max(c.size for c in tokens)
    kinds: dict[tuple[LayerKind, int | None, int], list[_Member]] = {}
    for cache in caches:
        # Smaller pages get more tokens where that fills them, else padding (unify_kv_cache_spec_page_size).
        own = block * cache.size
        grown = block * (page // own) if cache.kind != "linear" and page % own == 0 else block
        kinds.setdefault((cache.kind, cache.window, grown), []).append((cache, grown, page))
    return block, tuple(_bucket(each) for members in _grouped(list(kinds.values())) for each in members)


def _bucket(members: list[_Member]) -> _Bucket:
    caches, blocks, pages = zip(*members, strict=True)
    return _Bucket(caches[0], tuple(c.layer for c in caches), tuple(accumulate(pages, initial=0)), blocks[0])


def _request_blocks(cache: LayerCache, block: int, split: Split, arguments: EngineArguments) -> int:
    if cache.kind == "linear":
        return arguments.state_blocks
    if cache.kind == "sliding" and cache.window is not None:
        batches = 1 if arguments.ahead is None else split.pipeline + arguments.ahead
        tokens = min(cache.window - 1 + batches * arguments.max_num_batched_tokens, arguments.max_model_len)
        return ceil(tokens / block) + 1
    if cache.kind == "chunked" and cache.window is not None:
        return ceil(min(cache.window + arguments.max_num_batched_tokens, arguments.max_model_len) / block)
    return ceil(arguments.max_model_len / block)


def _grouped(kinds: list[list[_Member]]) -> list[list[list[_Member]]]:
    """`_get_kv_cache_groups_uniform_page_size`: groups of as many layers as the rarest kind has."""
    least, most = min(map(len, kinds)), max(map(len, kinds))
    size = most if most < least * 1.5 else least
    return [[members[i :: ceil(len(members) / size)] for i in range(ceil(len(members) / size))] for members in kinds]
