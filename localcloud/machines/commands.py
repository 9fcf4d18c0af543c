"""`python -m localcloud machines`."""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.machines.machine import Machine
from localcloud.machines.site import DEFAULT_BRIDGE, DEFAULT_NETWORK, DEFAULT_SUBNET, Site, default_site

EACH = ("stop", "start", "reboot", "unplug", "plug", "kill", "destroy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("--state", type=Path, default=default_site(), help="folder of the site (%(default)s)")
    parser.add_argument("--bridge", default=DEFAULT_BRIDGE, help="its default network's interface (%(default)s)")
    parser.add_argument("--subnet", default=DEFAULT_SUBNET, help="its default network (%(default)s)")
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    create = commands.add_parser("create", help="make a machine and wait for its SSH")
    create.add_argument("name")
    create.add_argument("--address", required=True, help="its IPv4 address")
    create.add_argument("--network", default=DEFAULT_NETWORK)
    create.add_argument("--cpus", type=float, help="CPU time it may use")
    create.add_argument("--memory-mib", type=int, help="memory it may use")
    create.add_argument("--bind-ro", action="append", default=[], metavar="HOST:INSIDE", help="seen read-only inside")
    create.add_argument("--authorized-key", type=Path, action="append", default=[], metavar="FILE", help="public key")
    create.add_argument("--host-key", type=Path, metavar="FILE", help="private ed25519 key of its SSH server")
    create.add_argument("--no-wait", action="store_true", help="do not wait for its SSH")
    listing = commands.add_parser("list", help="all machines")
    listing.add_argument("--json", action="store_true")
    for command in EACH:
        each = commands.add_parser(command, help=f"{command} machines")
        each.add_argument("names", nargs="*")
        each.add_argument("--all", action="store_true", help="all of the site")
        if command in ("start", "reboot"):
            each.add_argument("--no-wait", action="store_true", help="do not wait for SSH")
    ssh = commands.add_parser("ssh", help="run a command as root, or log in")
    ssh.add_argument("name")
    ssh.add_argument("words", nargs=argparse.REMAINDER)
    for thing in ("share", "network"):
        actions = commands.add_parser(thing, help=f"{thing}s").add_subparsers(dest="what", required=True)
        make = actions.add_parser("create")
        make.add_argument("name")
        actions.add_parser("list")
        actions.add_parser("destroy").add_argument("name")
        if thing == "share":
            make.add_argument("--export", action="append", default=[], metavar="SERVER:/PATH")
            make.add_argument("--client", action="append", default=[], metavar="CIDR", help="who may mount it")
        else:
            make.add_argument("--bridge", dest="own_bridge", required=True)
            make.add_argument("--subnet", dest="own_subnet", required=True)


def run(options: argparse.Namespace) -> int:
    """Does it."""
    site = Site(options.state, options.bridge, options.subnet)
    match options.action:
        case "create":
            _create(site, options)
        case "list":
            _list(site, as_json=options.json)
        case "ssh":
            _ssh(site, options.name, options.words)
        case "share":
            _share(site, options)
        case "network":
            _network(site, options)
        case "destroy" if options.all:
            site.destroy_all()
        case _:
            _each(site, options)
    return 0


def _create(site: Site, options: argparse.Namespace) -> None:
    missing = next((file for file in options.authorized_key if not file.is_file()), None)
    if missing:
        raise LocalCloudError(f"The authorized key {missing} does not exist: make it with `ssh-keygen -t ed25519`.")
    machine = site.create(
        options.name,
        options.address,
        network=options.network,
        cpus=options.cpus,
        memory_mib=options.memory_mib,
        binds_ro=options.bind_ro,
        authorized_keys=[file.read_text() for file in options.authorized_key],
        host_key=options.host_key,
    )
    if not options.no_wait:
        machine.wait_for_ssh()
    print(f"{options.name} {options.address}\nssh -i {site.key} root@{options.address}")


def _list(site: Site, *, as_json: bool) -> None:
    facts = [machine.facts() for machine in site.machines]
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    for fact in facts:
        cut = " (cable pulled)" if fact["unplugged"] else ""
        print(f"{fact['name']:20} {fact['address']:16} {fact['network']:12} {fact['state']}{cut}")


def _each(site: Site, options: argparse.Namespace) -> None:
    machines = site.machines if options.all else [site.machine(name) for name in options.names]
    if not machines and not options.all:
        raise LocalCloudError(f"`{options.action}` needs the names of machines, or --all.")

    def act(machine: Machine) -> None:
        if options.action == "start":
            site.start(machine.paths.name)
        else:
            getattr(machine, options.action)()
        if options.action in ("start", "reboot") and not options.no_wait and not machine.record.unplugged:
            machine.wait_for_ssh()

    with ThreadPoolExecutor() as pool:
        list(pool.map(act, machines))


def _ssh(site: Site, name: str, words: Sequence[str]) -> None:
    record = site.machine(name).record
    known = site.state_dir / "known_hosts"
    draft = known.with_name(f".known_hosts.{os.getpid()}")
    draft.write_text(site.known_hosts)
    draft.replace(known)  # whole for others who log in at the same time
    options = ["-i", str(site.key), "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes"]
    os.execvp("ssh", ["ssh", *options, f"root@{record.address}", *words])  # noqa: S606 - ssh takes over this terminal


def _share(site: Site, options: argparse.Namespace) -> None:
    match options.what:
        case "create":
            print(site.shares.create(options.name, options.export, options.client))
        case "list":
            print(json.dumps([asdict(share) for share in site.shares.list()], indent=1))
        case "destroy":
            site.shares.destroy(options.name)


def _network(site: Site, options: argparse.Namespace) -> None:
    match options.what:
        case "create":
            print(site.create_network(options.name, options.own_bridge, options.own_subnet).gateway)
        case "list":
            print(json.dumps([asdict(network) for network in site.networks], indent=1))
        case "destroy":
            site.destroy_network(options.name)
