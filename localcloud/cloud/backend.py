"""What the cloud asks of the machines behind it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Rule:
    """One line of a machine's firewall, in order of evaluation: first match decides; no match inbound is a drop.

    `protocol` is tcp, udp, icmp, gre or all; `ports` are first and last, None for all; `peers` are
    CIDRs of the other end.
    """

    inbound: bool
    accept: bool
    protocol: str
    ports: tuple[int, int] | None
    peers: tuple[str, ...]


@dataclass(frozen=True)
class MachineSpec:
    """A machine to make. `image` and `cpus`, `memory_mib` are the instance type's; `user_data` is decoded."""

    id: str
    host_name: str
    address: str
    vswitch: str
    cpus: int
    memory_mib: int
    authorized_keys: tuple[str, ...] = ()
    user_data: str = ""


class MachineBackend(Protocol):
    """All calls block until done, are idempotent, and raise LocalCloudError with one sentence."""

    def open_network(self, vswitch: str, vpc: str, cidr: str) -> None:
        """Makes a vSwitch's network; vSwitches of one VPC reach each other."""

    def close_network(self, vswitch: str) -> None:
        """Takes it away."""

    def create(self, spec: MachineSpec, rules: Sequence[Rule]) -> None:
        """Makes a machine and switches it on, its firewall first."""

    def start(self, machine: str) -> None:
        """Switches on."""

    def stop(self, machine: str, *, force: bool) -> None:
        """Shuts down, or cuts the power."""

    def reboot(self, machine: str, *, force: bool) -> None:
        """Restarts."""

    def destroy(self, machine: str) -> None:
        """Takes the machine and its disk away."""

    def running(self, machine: str) -> bool:
        """Whether its power is on."""

    def set_firewall(self, machine: str, rules: Sequence[Rule]) -> None:
        """Replaces the rules."""

    def set_public(self, machine: str, address: str | None) -> None:
        """Lets a public address lead to the machine, or none."""

    def set_share(self, share: str, domains: Mapping[str, str], clients: Sequence[str]) -> None:
        """Makes a folder that mounts as `DOMAIN:/` from the clients' CIDRs; keeps its files.

        `domains` maps each name to the address that machines find for it.
        """

    def drop_share(self, share: str) -> None:
        """Takes a folder and its files away."""

    def close(self) -> None:
        """Releases what belongs to the server; machines stay."""


@dataclass
class MemoryBackend:
    """Machines that exist only here: for tests of the API."""

    specs: dict[str, MachineSpec] = field(default_factory=dict)
    power: dict[str, bool] = field(default_factory=dict)
    firewalls: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    publics: dict[str, str | None] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    shares: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open_network(self, vswitch: str, vpc: str, cidr: str) -> None:
        """See MachineBackend."""
        self.networks[vswitch] = cidr

    def close_network(self, vswitch: str) -> None:
        """See MachineBackend."""
        self.networks.pop(vswitch, None)

    def create(self, spec: MachineSpec, rules: Sequence[Rule]) -> None:
        """See MachineBackend."""
        with self.lock:
            self.specs[spec.id] = spec
            self.power[spec.id] = True
            self.firewalls[spec.id] = tuple(rules)

    def start(self, machine: str) -> None:
        """See MachineBackend."""
        self.power[machine] = True

    def stop(self, machine: str, *, force: bool) -> None:
        """See MachineBackend."""
        self.power[machine] = False

    def reboot(self, machine: str, *, force: bool) -> None:
        """See MachineBackend."""

    def destroy(self, machine: str) -> None:
        """See MachineBackend."""
        with self.lock:
            for known in (self.specs, self.power, self.firewalls, self.publics):
                known.pop(machine, None)

    def running(self, machine: str) -> bool:
        """See MachineBackend."""
        return self.power.get(machine, False)

    def set_firewall(self, machine: str, rules: Sequence[Rule]) -> None:
        """See MachineBackend."""
        self.firewalls[machine] = tuple(rules)

    def set_public(self, machine: str, address: str | None) -> None:
        """See MachineBackend."""
        self.publics[machine] = address

    def set_share(self, share: str, domains: Mapping[str, str], clients: Sequence[str]) -> None:
        """See MachineBackend."""
        self.shares[share] = (tuple(domains), tuple(clients))

    def drop_share(self, share: str) -> None:
        """See MachineBackend."""
        self.shares.pop(share, None)

    def close(self) -> None:
        """See MachineBackend."""
