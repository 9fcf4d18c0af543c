"""Machines that boot: systemd machines of localcloud.machines with real addresses, firewalls and folders."""

import hashlib
import ipaddress
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localcloud.cloud.backend import MachineSpec, Rule
from localcloud.cloud.names import NameServer
from localcloud.cloud.packet_filter import host_rules, machine_rules
from localcloud.cloud.user_data import FirstBoot, parse
from localcloud.errors import LocalCloudError
from localcloud.machines.base_image import base_image
from localcloud.machines.machine import Machine
from localcloud.machines.network import NETNS_DIR
from localcloud.machines.package_mirror import package_mirror
from localcloud.machines.site import Site
from localcloud.system.programs import run, works
from localcloud.system.runs import remember

FILES = Path(__file__).parent / "files"
INSTANCE = Path("var/lib/cloud/instance")  # where cloud-init keeps its user data


def prepare() -> None:
    """Makes what the first machine would wait minutes for: the base image and the package mirror."""
    base_image()
    package_mirror()


class RealBackend:
    """The machines behind one cloud; see MachineBackend.

    Args:
        folder: the cloud's state; the machines' site lies in it.
        public_network: CIDR of the public addresses; its first address is this host's.
        binds: `HOST:INSIDE` of folders that every machine has, read-only.
    """

    def __init__(self, folder: Path, public_network: str, binds: Sequence[str] = ()) -> None:
        self._binds = tuple(binds)
        with _translated():
            self._site = Site(folder / "machines")
        self._mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        self._vpcs: dict[str, str] = {}  # VPC by vSwitch
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._publics: dict[str, str] = {}  # public address by machine
        self._domains: dict[str, dict[str, str]] = {}  # address by name, by share
        self._names = NameServer()
        self._lock = threading.RLock()
        remember("backend", folder=str(folder.absolute()), public_network=public_network)
        self._open_public(public_network)

    def open_network(self, vswitch: str, vpc: str, cidr: str) -> None:
        """A bridge; vSwitches of one VPC are routed to each other, others are not."""
        with self._lock, _translated():
            network = self._site.create_network(vswitch, self._bridge(vswitch), cidr)
            self._vpcs[vswitch] = vpc
            self._names.listen(network.gateway)
            self._forward(network.bridge)
            self._apply_host()

    def close_network(self, vswitch: str) -> None:
        """Takes the bridge away."""
        with self._lock, _translated():
            self._vpcs.pop(vswitch, None)
            self._apply_host()
            for network in self._site.networks:
                if network.name == vswitch:
                    self._names.close_address(network.gateway)
            self._site.destroy_network(vswitch)

    def create(self, spec: MachineSpec, rules: Sequence[Rule]) -> None:
        """Files of the first boot and the firewall come before the power."""
        first = parse(spec.user_data)
        with _translated():
            machine = self._site.machine(spec.id)
            if machine.paths.record.exists():
                machine.destroy()
            with _host_key(first) as host_key:
                self._site.create(
                    spec.id,
                    spec.address,
                    network=spec.vswitch,
                    cpus=spec.cpus,
                    memory_mib=spec.memory_mib,
                    authorized_keys=[*spec.authorized_keys, *first.authorized_keys],
                    host_key=host_key,
                    start=False,
                    binds_ro=self._binds,
                )
            _write_first_boot(machine, spec.host_name, first, spec.user_data)
            self._guard(machine, rules)
            self._site.start(spec.id)
            self._forward(self._bridge(spec.vswitch))

    def start(self, machine: str) -> None:
        """Power on; rules that are not known yet let nothing in."""
        with _translated():
            self._guard(self._site.machine(machine), self._rules.get(machine, ()))
            self._site.start(machine)
            self._forward(self._bridge(self._site.machine(machine).record.network))

    def stop(self, machine: str, *, force: bool) -> None:
        """Shuts down; by force, or when that does not end, the power is cut."""
        with _translated():
            found = self._site.machine(machine)
            if force:
                found.kill()
            else:
                found.stop()

    def reboot(self, machine: str, *, force: bool) -> None:
        """Restarts, by force with a power cut."""
        with _translated():
            if force:
                self._site.machine(machine).kill()
                self.start(machine)
            else:
                self._site.machine(machine).reboot()

    def destroy(self, machine: str) -> None:
        """Takes it away with its disk."""
        with _translated():
            self._site.machine(machine).destroy()
        self._rules.pop(machine, None)

    def running(self, machine: str) -> bool:
        """Whether its power is on."""
        return self._site.machine(machine).running

    def set_firewall(self, machine: str, rules: Sequence[Rule]) -> None:
        """Replaces the rules at once, without a moment in between."""
        if self._rules.get(machine) != tuple(rules):
            with _translated():
                self._guard(self._site.machine(machine), rules)

    def set_public(self, machine: str, address: str | None) -> None:
        """Translates a public address to the machine's own."""
        with self._lock, _translated():
            if self._publics.get(machine) == address:
                return
            self._publics.pop(machine, None)
            if address:
                self._publics[machine] = address
            self._apply_host()

    def set_share(self, share: str, domains: Mapping[str, str], clients: Sequence[str]) -> None:
        """A folder that machines mount by NFS as DOMAIN:/."""
        with self._lock, _translated():
            self._place(set(self._domains.get(share, {}).values()), set(domains.values()))
            self._domains[share] = dict(domains)
            self._name()
            self._site.shares.create(share, [f"{domain}:/" for domain in domains], clients)

    def drop_share(self, share: str) -> None:
        """Takes folder and files away."""
        with self._lock, _translated():
            self._place(set(self._domains.pop(share, {}).values()), set())
            self._name()
            self._site.shares.destroy(share)

    def close(self) -> None:
        """Machines, networks and rules stay; names are found again with the next start."""
        self._names.close()

    def wipe(self) -> None:
        """Destroys all machines, networks and folders, and takes the host's rules away."""
        self._names.close()
        with _translated():
            self._site.destroy_all()
            if works(["nft", "list", "table", "ip", self._table]):
                run("nft", "delete", "table", "ip", self._table)
            if works(["ip", "link", "show", self._public_bridge]):
                run("ip", "link", "delete", self._public_bridge)

    @property
    def _table(self) -> str:
        return f"tandem_{self._mark}"

    @property
    def _public_bridge(self) -> str:
        return f"tcpub{self._mark}"

    def _bridge(self, vswitch: str) -> str:
        return f"tc{hashlib.sha256(f'{self._mark}{vswitch}'.encode()).hexdigest()[:10]}"

    def _open_public(self, network: str) -> None:
        """An interface without a cable that has the first public address: this host, seen from the machines."""
        public = ipaddress.IPv4Network(network)
        with _translated():
            if not works(["ip", "link", "show", self._public_bridge]):
                run("ip", "link", "add", self._public_bridge, "type", "bridge")
                run("ip", "address", "add", f"{public[1]}/{public.prefixlen}", "dev", self._public_bridge)
                run("ip", "link", "set", self._public_bridge, "up")

    def _place(self, old: set[str], new: set[str]) -> None:
        """Gives the host the addresses of mount targets: a mount reaches the server's address first."""
        for address in old | new:
            for network in self._site.networks:
                if ipaddress.IPv4Address(address) not in ipaddress.IPv4Network(network.subnet):
                    continue
                if address in new:
                    run("ip", "address", "replace", f"{address}/32", "dev", network.bridge)
                else:
                    works(["ip", "address", "delete", f"{address}/32", "dev", network.bridge])

    def _name(self) -> None:
        self._names.names = {name: address for share in self._domains.values() for name, address in share.items()}

    def _guard(self, machine: Machine, rules: Sequence[Rule]) -> None:
        if not (NETNS_DIR / machine.paths.netns).exists():
            run("ip", "netns", "add", machine.paths.netns)
        _nft(["ip", "netns", "exec", machine.paths.netns, "nft", "-f", "-"], machine_rules(rules))
        self._rules[machine.paths.name] = tuple(rules)

    def _apply_host(self) -> None:
        vpcs: dict[str, list[str]] = {}
        for vswitch, vpc in self._vpcs.items():
            vpcs.setdefault(vpc, []).append(self._bridge(vswitch))
        publics = {}
        for machine, address in self._publics.items():
            found = self._site.machine(machine)
            if found.paths.record.exists():
                publics[address] = found.record.address
        _nft(["nft", "-f", "-"], host_rules(self._table, publics, vpcs))

    @staticmethod
    def _forward(bridge: str) -> None:
        """Lets the host route what arrives on the bridge; the host's table says where to."""
        Path(f"/proc/sys/net/ipv4/conf/{bridge}/forwarding").write_text("1")


def wipe(folder: Path, public_network: str) -> None:
    """Destroys what the machines' side of a cloud that does not run has left."""
    if (folder / "machines").exists():
        RealBackend(folder, public_network).wipe()


def _write_first_boot(machine: Machine, host_name: str, first: FirstBoot, user_data: str) -> None:
    root, record = machine.paths.upper, machine.record
    _write(root / "etc/hostname", f"{host_name}\n".encode(), 0o644)
    hosts = (root / "etc/hosts").read_text()
    _write(root / "etc/hosts", f"{hosts}{record.address} {host_name}\n".encode(), 0o644)
    for file in first.files:
        _write(root / file.path.lstrip("/"), file.content, file.mode)
    _write(root / INSTANCE / "user-data.raw", user_data.encode(), 0o600)
    if first.script:
        _write(root / INSTANCE / "user-data.txt", first.script.encode(), 0o700)
        _write(root / "usr/lib/tandem/first-boot.sh", (FILES / "first-boot.sh").read_bytes(), 0o755)
        unit = root / "etc/systemd/system/tandem-first-boot.service"
        _write(unit, (FILES / "first-boot.service").read_bytes(), 0o644)
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")


def _write(file: Path, content: bytes, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)
    file.chmod(mode)


@contextmanager
def _host_key(first: FirstBoot) -> Iterator[Path | None]:
    """The host key of the user data as files for as long as it takes."""
    if first.host_key is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "host_key"
        file.touch(mode=0o600)
        file.write_text(first.host_key[0])
        file.with_name("host_key.pub").write_text(first.host_key[1])
        yield file


def _nft(argv: Sequence[str], rules: str) -> None:
    done = subprocess.run(argv, input=rules, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalCloudError(f"nftables refused the rules: {done.stderr.strip().splitlines()[:1]}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalCloudError(str(error)) from error
