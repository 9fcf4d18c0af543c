"""HCCL's buffers on Ascend NPUs. Read, not measured: nobody's figures of an NPU are known here."""

from __future__ import annotations

from planner.split import Split

MIB = 2**20
BUFFER = 200 * MIB
"""`hccl_buffer_size` of every group but one (get_hccl_config_for_pg_options in vllm_ascend/utils.py:1034, 0.22.1rc1);
HCCL_BUFFSIZE of the group `mc2`, the same by default (CANN 9.0, environment variables)."""

DATA_BUFFER = 50 * MIB
"""The same of the group of data parallel ranks (calculate_dp_buffer_size, as above)."""


def hccl_memory(split: Split, *, experts: bool) -> int:
    """Bytes on one NPU, all of which count: the worker looks at the device before it makes its groups.

    A group has a buffer to send from and one to receive into (CANN 9.0, HCCL_BUFFSIZE), made at its first collective;
    the look at the device is at worker/worker.py:405, the groups at 434 (0.22.1rc1). Groups that only tell each other
    small numbers, or pass hidden states between stages, come after the profiling run.

    Args:
        split: the parts.
        experts: the model has routed experts.
    """
    found = 2 * BUFFER if split.tensor > 1 else 0
    if experts and split.expert_ranks > 1 and split.expert_parallel:
        found += 2 * BUFFER  # mc2
    return found + (2 * DATA_BUFFER if experts and split.data > 1 else 0)
