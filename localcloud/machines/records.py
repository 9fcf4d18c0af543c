"""What a site remembers of its networks, shares and machines."""

from dataclasses import dataclass

from localcloud.system.records import Record


@dataclass(frozen=True)
class NetworkRecord(Record):
    """One bridge on the host; the host's end has the gateway's address and forwards nothing."""

    bridge: str
    subnet: str
    gateway: str


@dataclass(frozen=True)
class ShareRecord(Record):
    """A folder that machines mount by NFS as any of `exports` (SERVER:/PATH); `clients` are CIDRs, none means all."""

    exports: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineRecord(Record):
    """What a machine was created with, and what an operator set since."""

    address: str
    network: str
    image: str  # folder of the base image
    host_key: str  # public ed25519 key, as in a known_hosts file without the name
    cpus: float | None = None
    memory_mib: int | None = None
    cpu_list: tuple[int, ...] = ()  # CPUs of the host it may use; none means all
    binds_ro: tuple[str, ...] = ()  # HOST:INSIDE
    unplugged: bool = False
