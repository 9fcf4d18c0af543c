"""Settings of a machine that exists already."""

from __future__ import annotations

from pydantic import Field

from stacks.settings.base import Name, Port, SettingsModel
from stacks.settings.devices import Devices
from stacks.settings.ssh import Address, Interface, Jump
from stacks.settings.text_types import Device


class MachineSettings(SettingsModel):
    """One machine that exists already."""

    name: Name = Field(description="short name; also the machine's name in outputs and logs")
    address: Address = Field(description="address or host name that SSH reaches from here")
    port: Port = Field(22, description="SSH port")
    private_address: Address | None = Field(
        None, description="address the other machines reach it by; the SSH address when left out"
    )
    accelerators: int | None = Field(
        None, ge=1, le=16, description="accelerators of this machine that are used; accelerator.perMachine if unset"
    )
    devices: Devices = Field((), description="which of its accelerators; accelerator.devices if unset")
    gpu: str | None = Field(None, description="its GPUs' name, by which memory is planned; accelerator.gpu if unset")
    proxy_jump: Jump | None = Field(
        None, description="a host between, for this machine; ssh.proxyJump when left out, none for no host between"
    )
    hcas: tuple[Device, ...] = Field(
        (), description="this machine's RDMA devices for NCCL, such as mlx5_0; accelerator.hcas when left out"
    )
    nic: Interface | None = Field(
        None, description="the network interface that engines use, such as bond0; found by the route when left out"
    )

    @property
    def peer_address(self) -> str:
        """The address the other machines use."""
        return self.private_address or self.address
