"""Bridges, and the one cable of each machine."""

import ipaddress
import json
import shutil
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.machines.records import MachineRecord, NetworkRecord
from localcloud.system.programs import run, works

NETNS_DIR = Path("/run/netns")
MARK = "tandem:"
"""How the mark of every site's bridges begins."""


def bridge_up(network: NetworkRecord, owner: str) -> None:
    """Makes the bridge, unless it is there; `owner` marks it as ours and begins with MARK.

    A bridge of the same name or subnet that another site left behind, killed with all its machines, goes first.

    The host has the gateway's address on it, so host and machines reach each other. Nothing is forwarded from it:
    machines have no way to the outside nor to other bridges.

    Raises:
        LocalCloudError: the bridge's name or a part of the subnet is already in use on this host.
    """
    existing = _bridge_owner(network.bridge)
    if existing == owner:
        return
    if existing is not None and not _cleared(network.bridge):
        raise LocalCloudError(
            f"The interface {network.bridge} exists and belongs to something else: choose another name with --bridge."
        )
    _refuse_taken(network)
    run("ip", "link", "add", network.bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
    try:
        run("ip", "link", "set", network.bridge, "alias", owner)
        prefix = ipaddress.ip_network(network.subnet).prefixlen
        run("ip", "address", "add", f"{network.gateway}/{prefix}", "dev", network.bridge)
        run("ip", "link", "set", network.bridge, "up")
        Path(f"/proc/sys/net/ipv4/conf/{network.bridge}/forwarding").write_text("0")
        if _bridged_packets_are_dropped():
            run("iptables", "-I", "FORWARD", *_bridged(network.bridge))
    except BaseException:
        works(["ip", "link", "delete", network.bridge])
        raise


def bridge_down(network: NetworkRecord, owner: str) -> None:
    """Takes the bridge away, if it is there and ours."""
    if _bridge_owner(network.bridge) == owner:
        run("ip", "link", "delete", network.bridge)
    if shutil.which("iptables") and works(["iptables", "-C", "FORWARD", *_bridged(network.bridge)]):
        run("iptables", "-D", "FORWARD", *_bridged(network.bridge))


def cable_up(machine: MachineRecord, network: NetworkRecord, netns: str, interface: str) -> None:
    """Gives the machine its network namespace with eth0 and its address, cabled to the bridge by `interface`.

    The default route goes to the host, which forwards nothing: programs that ask which address leads out are answered.
    """
    if not works(["ip", "-n", netns, "link", "show", "lo"]):
        (NETNS_DIR / netns).unlink(missing_ok=True)  # a name that outlived a reboot of the host
        run("ip", "netns", "add", netns)
    if not works(["ip", "link", "show", interface]):
        run("ip", "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", netns)
    prefix = ipaddress.ip_network(network.subnet).prefixlen
    run("ip", "-n", netns, "link", "set", "lo", "up")
    run("ip", "-n", netns, "address", "replace", f"{machine.address}/{prefix}", "dev", "eth0")
    run("ip", "link", "set", interface, "master", network.bridge)
    plug(interface, plugged=not machine.unplugged)
    run("ip", "-n", netns, "link", "set", "eth0", "up")
    run("ip", "-n", netns, "route", "replace", "default", "via", network.gateway)


def plug(interface: str, *, plugged: bool) -> None:
    """Pulls the cable at the host's end (the machine sees no carrier) or plugs it in again."""
    run("ip", "link", "set", interface, "up" if plugged else "down")


def cable_down(netns: str, interface: str) -> None:
    """Takes cable and namespace away, as far as they are there."""
    if works(["ip", "link", "show", interface]):
        run("ip", "link", "delete", interface)
    if (NETNS_DIR / netns).exists():
        run("ip", "netns", "delete", netns)


def _bridge_owner(bridge: str) -> str | None:
    """The owner's mark of an interface, empty when it has none, None when there is no such interface."""
    if not works(["ip", "link", "show", bridge]):
        return None
    return str(json.loads(run("ip", "-j", "link", "show", bridge))[0].get("ifalias", ""))


def _cleared(bridge: str) -> bool:
    """Takes away a site's bridge that nobody lives behind, with its cables; False when it is somebody's.

    No process in any machine and no package mirror on the gateway: its site was killed. Should the site come back,
    starting its machines makes all of it again.
    """
    owner = _bridge_owner(bridge) or ""
    if not owner.startswith(MARK):
        return False
    cables = [link["ifname"] for link in json.loads(run("ip", "-j", "link", "show", "master", bridge) or "[]")]
    spaces = {cable: [path.name for path in NETNS_DIR.glob(f"{cable}-*")] for cable in cables}
    if any(run("ip", "netns", "pids", name).split() for names in spaces.values() for name in names):
        return False
    addresses = json.loads(run("ip", "-j", "-4", "address", "show", bridge))[0]["addr_info"]
    if any(run("ss", "-Hltn", "src", address["local"]).strip() for address in addresses):
        return False
    for cable, names in spaces.items():
        for name in names:
            cable_down(name, cable)
    run("ip", "link", "delete", bridge)
    return True


def _refuse_taken(network: NetworkRecord) -> None:
    subnet = ipaddress.ip_network(network.subnet)
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "main")):
        if route["dst"] == "default":
            continue
        if not ipaddress.ip_network(route["dst"], strict=False).overlaps(subnet):
            continue
        if not _cleared(route.get("dev", "")):
            raise LocalCloudError(
                f"The subnet {network.subnet} overlaps {route['dst']} on {route.get('dev', 'this host')}: "
                "choose another with --subnet."
            )


def _bridged_packets_are_dropped() -> bool:
    """Whether br_netfilter shows bridged packets to iptables and its FORWARD chain drops them, as Docker sets it."""
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not setting.exists() or setting.read_text().strip() != "1" or not shutil.which("iptables"):
        return False
    return run("iptables", "-S", "FORWARD").startswith("-P FORWARD DROP")


def _bridged(bridge: str) -> list[str]:
    return ["-i", bridge, "-o", bridge, "-j", "ACCEPT"]
