"""CUDA's caching allocator, as far as weights need it."""

import pytest

from planner.vllm.allocator import MIB, Allocator


def taken(*mib, max_split=None):
    allocator = Allocator(max_split)
    for size in mib:
        allocator.allocate(int(size * MIB))
    return allocator.allocated / MIB


def test_small_tensors_are_rounded_to_512_bytes():
    allocator = Allocator()
    allocator.allocate(1)
    allocator.allocate(513)
    assert allocator.allocated == 512 + 1024


@pytest.mark.parametrize(("size", "counts"), [(31.5, 32), (24.5, 24.5), (259, 260), (50, 50)])
def test_a_large_tensor_counts_whole_segments_unless_more_than_1_mib_is_left(size, counts):
    assert taken(size) == counts


def test_vllm_forbids_splitting_from_20_mib_on():
    """o_proj of Qwen2.5-7B, 24.5 MiB: 26 under vLLM's limit while it loads."""
    assert taken(24.5, max_split=20 * MIB) == 26


def test_middle_tensors_share_a_20_mib_segment_and_the_last_takes_a_rest_of_up_to_1_mib():
    assert taken(9.5, 9.5) == 9.5 + 10.5
    assert taken(8, 8, 4) == 20


def test_a_rest_is_used_before_new_memory():
    assert taken(16.5, 1.25) == 16.5 + 1.5
