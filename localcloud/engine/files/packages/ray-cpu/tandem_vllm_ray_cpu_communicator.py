"""vLLM's CPU communicator, which uses shared memory only between ranks that do share it."""

from pathlib import Path

import torch  # type: ignore[import-not-found]  # engine only
from vllm.distributed.device_communicators.cpu_communicator import (  # type: ignore[import-not-found]  # engine only
    CpuCommunicator,
)


class NodeCpuCommunicator(CpuCommunicator):  # type: ignore[misc]  # its base is unknown here
    """Ranks on several machines talk by torch.distributed.

    CpuCommunicator compares a name made of the port of the rendezvous. On Ray that is the same on every machine,
    so ranks of different machines wait for each other's shared memory and fail: "open shm in SHMManager failed".
    """

    def _all_group_ranks_share_shm_group_name(self) -> bool:
        if not super()._all_group_ranks_share_shm_group_name():
            return False
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        mine = (boot, Path("/dev/shm").stat().st_dev)  # noqa: S108  # the place itself is what is compared
        places: list[tuple[str, int] | None] = [None] * self.world_size
        torch.distributed.all_gather_object(places, mine, group=self.device_group)
        return len(set(places)) == 1
