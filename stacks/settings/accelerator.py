"""Settings of what computes, and of its drivers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.host import TOOLKIT_REPOSITORY, AcceleratorArgs
from stacks import versions
from stacks.settings.base import SettingsModel
from stacks.settings.devices import Devices
from stacks.settings.text_types import Device, Url, Version

OF_NVIDIA = (
    "cuda",
    "driver",
    "driver_branch",
    "driver_repository",
    "alibaba_versions",
    "toolkit_repository",
    "hcas",
    "nvitop",
)
OF_OWN_MACHINES = ("driver", "driver_branch", "driver_repository", "alibaba_versions", "toolkit_repository", "nvitop")
"""What changes a machine: not where it is only lent."""


class AcceleratorSettings(SettingsModel):
    """What computes."""

    kind: Literal["cpu", "nvidia", "ascend"] = Field(
        description="nvidia: GPUs; ascend: NPUs; cpu: no driver, an engine built for processors"
    )
    per_machine: int = Field(1, ge=1, le=16, description="accelerators in each machine")
    gpu: str | None = Field(
        None, description="platform hosts: the GPUs' name, such as L20 or RTX-4090, by which memory is planned"
    )
    devices: Devices = Field(
        (), description="which of each machine's accelerators, by index or UUID (GPU-..., MIG-...); the first if unset"
    )
    host_memory_gib: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="memory of each machine itself, GiB, by which what stays off the accelerators is planned",
    )
    cuda: str = Field(
        versions.CUDA,
        pattern=r"^\d{2}\.\d+$",
        description="CUDA version of the engine's image; it decides the oldest driver",
    )
    driver: Literal["packages", "alibaba", "present"] = Field(
        "packages", description="where a missing driver comes from: apt, Alibaba Cloud's installer, or nowhere"
    )
    driver_branch: int | None = Field(
        None, ge=418, le=999, description="driver branch to install, such as 580; the one that cuda needs when left out"
    )
    driver_repository: str = Field("", description="a line for apt's sources with NVIDIA's packages, for Debian")
    alibaba_versions: tuple[Version, ...] = Field(
        (), description="driver alibaba: driver, CUDA and cuDNN, each a full version, such as 570.133.20"
    )
    toolkit_repository: Url = Field(
        TOOLKIT_REPOSITORY, description="the container toolkit's archive, or a mirror of it"
    )
    hcas: tuple[Device, ...] = Field((), description="RDMA devices for NCCL, such as mlx5_0; chosen when left out")
    nvitop: bool = Field(False, description="installs nvitop, a monitor for people")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind != "nvidia" and (given := self.changed(OF_NVIDIA)):
            raise ValueError(f"{given}: belongs to kind nvidia, and this is {self.kind}; take it out")
        if (self.driver == "alibaba") != (len(self.alibaba_versions) == 3):  # driver, CUDA, cuDNN
            raise ValueError(
                "alibabaVersions: driver alibaba asks for three full versions, of driver, CUDA and cuDNN; give these"
                if self.driver == "alibaba"
                else f"alibabaVersions: is for driver alibaba, and this is {self.driver}; take it out"
            )
        if self.driver == "present" and (given := self.changed(("driver_branch", "driver_repository"))):
            raise ValueError(f"{given}: driver present installs none; take it out, or set driver to packages")
        return self

    def changed(self, names: tuple[str, ...]) -> str:
        """The first of these settings that is not its default, as a stack's file has it; nothing if none is."""
        fields = type(self).model_fields
        return next((fields[n].alias or n for n in names if getattr(self, n) != fields[n].default), "")

    def of_machine(self, count: int, devices: tuple[str, ...] = (), hcas: tuple[str, ...] = ()) -> AcceleratorArgs:
        """Arguments of a host with so many, and which they are; the first ones where none are named.

        RDMA devices of its own come before everybody's.
        """
        return AcceleratorArgs(
            kind=self.kind,
            count=count,
            devices=devices,
            cuda=self.cuda,
            branch=self.driver_branch,
            driver=self.driver,
            alibaba_versions=self.alibaba_versions,
            driver_repository=self.driver_repository,
            toolkit_repository=self.toolkit_repository,
            hcas=hcas or self.hcas,
            nvitop=self.nvitop,
        )
