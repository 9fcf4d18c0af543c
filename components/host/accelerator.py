"""The accelerators of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TOOLKIT_REPOSITORY = "https://nvidia.github.io/libnvidia-container"


@dataclass(frozen=True)
class AcceleratorArgs:
    """Accelerators of one machine. The default is none: a processor, and nothing is installed.

    Attributes:
        kind: `cpu`, `nvidia` or `ascend`.
        count: accelerators that are used; the machine must have as many or more, on its PCI bus and by its driver.
        devices: which of them, by index or UUID; the first `count` where none are named.
        cuda: CUDA version of the engine's image, `major.minor`; it decides the oldest driver that will do.
        branch: driver branch to install, such as 580; None takes the one `drivers.py` names. A driver that works
            and is new enough for `cuda` is never touched.
        driver: where a missing driver comes from. `packages`: apt. `alibaba`: Alibaba Cloud's own installer.
            `present`: from nowhere; it must be there.
        alibaba_versions: what Alibaba Cloud's installer is given: driver, CUDA and cuDNN, each a full version.
        driver_repository: a line for apt's sources with NVIDIA's packages, for systems whose archive has none
            (Debian); empty takes what the machine's own sources have.
        toolkit_repository: URL of the container toolkit's archive, or of a mirror of it.
        hcas: RDMA devices for NCCL, such as mlx5_0; empty has them chosen by `rails.py`.
        nvitop: installs nvitop, a monitor for people, from the pip index given to the host.
    """

    kind: Literal["cpu", "nvidia", "ascend"] = "cpu"
    count: int = 1
    devices: tuple[str, ...] = ()
    cuda: str = "13.0"
    branch: int | None = None
    driver: Literal["packages", "alibaba", "present"] = "packages"
    alibaba_versions: tuple[str, ...] = ()
    driver_repository: str = ""
    toolkit_repository: str = TOOLKIT_REPOSITORY
    hcas: tuple[str, ...] = ()
    nvitop: bool = False
