"""A site: networks, machines and shared folders on this host, beside those of other sites."""

import contextlib
import ipaddress
import os
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.machines import network as cable
from localcloud.machines.base_image import base_image
from localcloud.machines.host import check_host
from localcloud.machines.layout import REAL_FOLDERS, MachinePaths
from localcloud.machines.machine import Machine
from localcloud.machines.machine_files import new_key, write_machine_files
from localcloud.machines.mirror import Mirror
from localcloud.machines.package_mirror import package_mirror
from localcloud.machines.records import MachineRecord, NetworkRecord
from localcloud.machines.shares import Shares
from localcloud.system.locks import locked
from localcloud.system.paths import state_dir
from localcloud.system.runs import remember

DEFAULT_BRIDGE = "tandem0"
DEFAULT_SUBNET = "10.77.0.0/24"
DEFAULT_NETWORK = "default"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123: what a host name may be


def default_site() -> Path:
    """The folder of the user's own site."""
    return state_dir() / "machines"


class Site:
    """Everything below one state folder. Two sites never touch each other's things.

    The default network is made with the first machine; its gateway, the subnet's first address, is the host.

    Args:
        state_dir: records, disks and shares; must be on a real file system such as ext4.
        bridge: interface of the default network, at most 15 characters, unique on this host.
        subnet: CIDR of the default network; must not overlap a route of this host.

    Raises:
        LocalCloudError: this host cannot hold machines; says what to install or how to run it.
    """

    def __init__(
        self, state_dir: Path | None = None, bridge: str = DEFAULT_BRIDGE, subnet: str = DEFAULT_SUBNET
    ) -> None:
        check_host()
        self.state_dir = (state_dir or default_site()).resolve()
        self._default = (bridge, subnet)
        self._lock = self.state_dir / "locks" / ".site.lock"
        self._networks = self.state_dir / "networks"
        self.shares = Shares(self.state_dir / "nfs", self._lock)

    @property
    def key(self) -> Path:
        """The private key that every machine of this site accepts for root and `ubuntu`."""
        with locked(self._lock):
            new_key(self.state_dir / "id_ed25519", "tandem-machines")
        return self.state_dir / "id_ed25519"

    @property
    def machines(self) -> list[Machine]:
        """All machines, by name."""
        records = sorted((self.state_dir / "machines").glob("*/machine.json"))
        return [self.machine(record.parent.name) for record in records]

    def machine(self, name: str) -> Machine:
        """The machine of that name, whether it exists or not.

        Raises:
            LocalCloudError: the name is no host name.
        """
        _check_name(name)
        return Machine(MachinePaths(self.state_dir, name))

    @property
    def known_hosts(self) -> str:
        """The machines' host keys, as a known_hosts file has them."""
        return "".join(f"{record.address} {record.host_key}\n" for record in self._records())

    def network(self, name: str = DEFAULT_NETWORK) -> NetworkRecord:
        """The network of that name.

        Raises:
            LocalCloudError: there is none.
        """
        try:
            return NetworkRecord.load(self._networks / f"{name}.json")
        except FileNotFoundError:
            raise LocalCloudError(
                f"There is no network {name}: make it with `python -m localcloud machines network create {name}`."
            ) from None

    @property
    def networks(self) -> list[NetworkRecord]:
        """All networks, by name."""
        return [NetworkRecord.load(file) for file in sorted(self._networks.glob("*.json"))]

    def create_network(self, name: str, bridge: str, subnet: str) -> NetworkRecord:
        """Makes a network and serves the package mirror on its gateway; made again with the same values, it is kept.

        Raises:
            LocalCloudError: name, bridge or subnet is malformed, or in use for something else.
        """
        _check_name(name)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", bridge):
            raise LocalCloudError(f"The bridge {bridge!r} is no interface name: use 1 to 15 letters, digits or `-`.")
        try:
            net = ipaddress.IPv4Network(subnet)
        except ValueError as error:
            raise LocalCloudError(
                f"The subnet {subnet} is not valid ({error}): write it as {DEFAULT_SUBNET}."
            ) from None
        if net.prefixlen > 29:
            raise LocalCloudError(f"The subnet {subnet} holds too few machines: use a prefix of /29 or shorter.")
        wanted = NetworkRecord(name, bridge, str(net), str(net.network_address + 1))
        mirror = package_mirror()  # outside the lock: the first time it takes minutes
        with locked(self._lock):
            file = self._networks / f"{name}.json"
            if file.exists() and NetworkRecord.load(file) != wanted:
                raise LocalCloudError(
                    f"The network {name} exists with other values ({NetworkRecord.load(file).subnet}): "
                    f"destroy it with `python -m localcloud machines network destroy {name}` or choose another name."
                )
            self._up(wanted, mirror)
            wanted.save(file)
            self.shares.publish([network.gateway for network in self.networks])
        return wanted

    def destroy_network(self, name: str) -> None:
        """Takes a network away; nothing happens when there is none.

        Raises:
            LocalCloudError: a machine is still on it.
        """
        with locked(self._lock):
            file = self._networks / f"{name}.json"
            if not file.exists():
                return
            used = [record.name for record in self._records() if record.network == name]
            if used:
                raise LocalCloudError(f"The network {name} has machines: destroy {', '.join(used)} first.")
            network = NetworkRecord.load(file)
            self._mirror(name).stop()
            cable.bridge_down(network, self._owner)
            file.unlink()
            self.shares.publish([network.gateway for network in self.networks])

    def create(
        self,
        name: str,
        address: str,
        *,
        network: str = DEFAULT_NETWORK,
        cpus: float | None = None,
        memory_mib: int | None = None,
        binds_ro: Sequence[str] = (),
        authorized_keys: Sequence[str] = (),
        host_key: Path | None = None,
        start: bool = True,
    ) -> Machine:
        """Makes a machine and, unless `start` is False, switches it on; does not wait for its SSH.

        Args:
            name: its host name.
            address: its IPv4 address, inside the network.
            network: a network made before; `default` is made as needed.
            cpus: CPU time it may use, in CPUs; whole machines of this host when None or more than there are.
            memory_mib: limit of its processes and page cache together, MiB.
            binds_ro: `HOST:INSIDE`, folders or files of the host seen read-only.
            authorized_keys: lines of authorized_keys beside the site's own key.
            host_key: private ed25519 key for its SSH server; a new one when None.
            start: False leaves it stopped, with its files in place.

        Raises:
            LocalCloudError: name or address is malformed or taken, or something given does not exist.
        """
        _check_name(name)
        for bind in binds_ro:
            _check_bind(bind)
        image, mirror = base_image(), package_mirror()
        if network == DEFAULT_NETWORK and not (self._networks / f"{network}.json").exists():
            self.create_network(network, *self._default)
        net = self.network(network)
        machine, site_key = self.machine(name), self.key
        with locked(self._lock):
            self._check_free(name, address, net)
            self._up(net, mirror)
            folder = machine.paths.folder
            shutil.rmtree(folder, ignore_errors=True)  # what a create that was killed left behind
            for part in ("disk/upper", "disk/work", "root", *(f"disk/{name}" for name in REAL_FOLDERS)):
                (folder / part).mkdir(parents=True)
            public = new_key(folder / "ssh_host_ed25519_key", name) if host_key is None else _public_of(host_key)
            record = MachineRecord(
                name,
                address,
                network,
                str(image),
                " ".join(public.split()[:2]),
                cpus,
                memory_mib,
                self._least_used_cpus(cpus),
                tuple(binds_ro),
            )
            keys = [site_key.with_suffix(".pub").read_text(), *authorized_keys]
            write_machine_files(machine.paths.upper, record, net, host_key or folder / "ssh_host_ed25519_key", keys)
            (folder / "ssh_host_ed25519_key").unlink(missing_ok=True)
            record.save(machine.paths.record)
        if start:
            self.start(name)
        return machine

    def start(self, name: str) -> None:
        """Switches a machine on, with its network, which a reboot of the host may have taken away."""
        machine = self.machine(name)
        network = self.network(machine.record.network)
        with locked(self._lock):
            self._up(network)
        machine.start(network)

    def destroy_all(self) -> None:
        """Destroys every machine, network and share of this site, and its folder."""
        folders = (self.state_dir / "machines").glob("*")  # also what a create that was killed left behind
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda folder: self.machine(folder.name).destroy(), folders))
        for network in self.networks:
            self.destroy_network(network.name)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def _records(self) -> list[MachineRecord]:
        found = []
        for file in sorted((self.state_dir / "machines").glob("*/machine.json")):
            with contextlib.suppress(FileNotFoundError):  # destroyed while we look
                found.append(MachineRecord.load(file))
        return found

    @property
    def _owner(self) -> str:
        return f"{cable.MARK}{self.state_dir}"

    def _up(self, network: NetworkRecord, mirror: Path | None = None) -> None:
        """Bridge and package mirror of a network; a mirror that runs is replaced only by another folder."""
        self._networks.mkdir(parents=True, exist_ok=True)
        remember("site", state_dir=str(self.state_dir), bridge=self._default[0], subnet=self._default[1])
        cable.bridge_up(network, self._owner)
        self.shares.publish([known.gateway for known in {*self.networks, network}])
        server = self._mirror(network.name)
        if not server.serves(mirror):
            server.stop()
            server.start(network.gateway, mirror or package_mirror())

    def _mirror(self, network: str) -> Mirror:
        return Mirror(self._networks / f".{network}.mirror")

    def _check_free(self, name: str, address: str, network: NetworkRecord) -> None:
        try:
            fits = ipaddress.IPv4Address(address) in ipaddress.IPv4Network(network.subnet)
        except ValueError:
            fits = False
        if not fits:
            raise LocalCloudError(
                f"The address {address} of machine {name} is not in {network.subnet}: give one that is."
            )
        if address == network.gateway:
            raise LocalCloudError(f"The address {address} is this host's own there: give machine {name} another.")
        for other in self._records():
            if other.name == name:
                raise LocalCloudError(
                    f"Machine {name} exists: `python -m localcloud machines destroy {name}` takes it away."
                )
            if other.address == address and other.network == network.name:
                raise LocalCloudError(f"The address {address} belongs to machine {other.name}: give {name} another.")

    def _least_used_cpus(self, cpus: float | None) -> tuple[int, ...]:
        """CPUs for a machine that gets fewer than the host has, so that it also counts that many."""
        host = sorted(os.sched_getaffinity(0))
        count = -(-cpus // 1) if cpus else len(host)
        if count >= len(host):
            return ()
        taken = [cpu for record in self._records() for cpu in record.cpu_list]
        return tuple(sorted(sorted(host, key=lambda cpu: (taken.count(cpu), cpu))[: int(count)]))


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise LocalCloudError(f"The name {name!r} is no host name: use small letters, digits and `-`, at most 63.")


def _check_bind(bind: str) -> None:
    host, colon, inside = bind.partition(":")
    if not colon or ":" in inside or not host.startswith("/") or not inside.startswith("/"):
        raise LocalCloudError(f"The bind {bind!r} is not HOST:INSIDE with two absolute paths: write /data:/data.")
    if not Path(host).exists():
        raise LocalCloudError(f"The bind {bind!r} names {host}, which this host does not have: make it first.")


def _public_of(private: Path) -> str:
    public = private.with_name(f"{private.name}.pub")
    if not private.exists() or not public.exists():
        raise LocalCloudError(
            f"The host key {private} or its .pub is missing: make both with `ssh-keygen -t ed25519 -f {private}`."
        )
    return public.read_text()
