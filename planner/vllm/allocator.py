"""What CUDA's caching allocator takes for tensors: more than their bytes.

vLLM reports `max_memory_allocated` as the weights' memory, which counts blocks, not requests. Source of the rules:
c10/cuda/CUDACachingAllocator.cpp of torch 2.11 (kMinBlockSize, kSmallSize, kLargeBuffer, kMinLargeAlloc,
kRoundLarge, should_split, get_free_block).
"""

from bisect import bisect_left, insort
from typing import NamedTuple

MIB = 2**20
BLOCK = 512
SMALL = MIB
"""Bytes up to which a request goes to the pool of small blocks; also the least rest that is split off."""
LARGE_BUFFER = 20 * MIB
"""Bytes of the segment that requests of 1 to 10 MiB share."""
MIN_LARGE = 10 * MIB
ROUND_LARGE = 2 * MIB


class Requests(NamedTuple):
    """What is asked of an allocator, in order.

    Attributes:
        small: bytes of all blocks of the small pool together.
        large: bytes of each other block.
    """

    small: int
    large: tuple[int, ...]


def requests(sizes: list[int]) -> Requests:
    """Tensors' bytes as blocks."""
    blocks = [-(-nbytes // BLOCK) * BLOCK for nbytes in sizes if nbytes > 0]
    return Requests(sum(b for b in blocks if b <= SMALL), tuple(b for b in blocks if b > SMALL))


class Allocator:
    """Serves requests one after another, none of which is freed, as when a model loads.

    Args:
        max_split: blocks of this many bytes or more are never split (vLLM sets 20 MiB while it loads a model, in
            0.24.0 and later); None for no limit.

    Attributes:
        allocated: bytes of the blocks in use.
    """

    def __init__(self, max_split: int | None = None) -> None:
        self.allocated = 0
        self._limit = 2**62 if max_split is None else max_split
        self._free: list[int] = []

    def allocate(self, nbytes: int) -> None:
        """Serves one request."""
        self.allocate_all(requests([nbytes]))

    def allocate_all(self, wanted: Requests, times: int = 1) -> None:
        """Serves requests one after another, all of them so many times."""
        for done in range(1, times + 1):
            before, free = self.allocated, self._free.copy()
            self._serve(wanted)
            if self._free == free:
                # The rest finds what this one found.
                self.allocated += (times - done) * (self.allocated - before)
                return

    def _serve(self, wanted: Requests) -> None:
        self.allocated += wanted.small
        for size in wanted.large:
            block = self._best_fit(size) if self._free else None
            if block is None:
                block = LARGE_BUFFER if size < MIN_LARGE else -(-size // ROUND_LARGE) * ROUND_LARGE
            rest = block - size
            if rest > SMALL and size < self._limit:
                insort(self._free, rest)
                block = size
            self.allocated += block

    def _best_fit(self, size: int) -> int | None:
        """The smallest free block that serves `size`, taken out of the free ones."""
        at = bisect_left(self._free, size)
        if at == len(self._free):
            return None
        block = self._free[at]
        if size < self._limit <= block or (size >= self._limit and block >= size + LARGE_BUFFER):
            return None
        return self._free.pop(at)
