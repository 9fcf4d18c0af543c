"""`python -m localcloud hosts`: two bare machines, and what they fetch, for Pulumi.hosts.yaml."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.depot import daemon as depot
from localcloud.fixtures import (
    ensure_environment,
    ensure_gguf,
    ensure_images,
    ensure_instruct_model,
    ensure_llamacpp,
    ensure_model,
    ensure_ollama,
)
from localcloud.fixtures.model import GGUF_IDS, INSTRUCT_ID, MODEL_ID
from localcloud.fixtures.wheels import ensure_wheels
from localcloud.machines import Machine, Site
from localcloud.machines.site import DEFAULT_SUBNET

MEMORY_MIB = 5120
"""One machine's limit: Ray, one rank of the tiny model and Docker take about 2.5 GiB together."""
DEPOT_PORT = 8600
SHARE = "share"
EXPORT = f"nas:/{SHARE}"
ENGINE = "/opt/tandem/engine"
PROGRAMS: dict[str, Callable[[], Path]] = {"llamacpp": ensure_llamacpp, "ollama": ensure_ollama}
"""Engines that machines have at /opt/tandem/<name> beside vLLM's environment, when they are asked for."""


def start(
    site: Site,
    names: Sequence[str],
    subnet: str = DEFAULT_SUBNET,
    *,
    engines: Sequence[str] = (),
    binds: Sequence[str] = (),
    models: Mapping[str, Path] | None = None,
    images: Path | None = None,
) -> None:
    """Makes what is missing of machines, shared folder and depot; what is there stays as it is.

    Machines get the addresses .11, .12 and so on of the site's subnet; the depot listens on the gateway's.

    Args:
        site: where.
        names: the machines.
        subnet: the site's network.
        engines: engines beside vLLM, names in PROGRAMS; with any of them the depot has the GGUF models.
        binds: more folders that machines have read-only, `source:target`.
        models: more models that the depot has, by the name that hubs give them.
        images: the depot's images, an OCI image layout; the local stacks' when None.
    """
    environment = ensure_environment()
    ensure_images()
    offered = {MODEL_ID: ensure_model(), **(models or {})}
    ensure_wheels()
    programs = [f"{PROGRAMS[name]() / 'bin'}:/opt/tandem/{name}" for name in engines]
    if engines:
        offered |= {name: ensure_gguf(parts) for parts, name in GGUF_IDS.items()}
    read_only = [f"{environment}:{ENGINE}", *programs, *binds]
    present = {machine.paths.name: machine for machine in site.machines}
    first = ipaddress.IPv4Network(subnet).network_address + 11
    wanted = [(name, str(first + number)) for number, name in enumerate(names)]
    # The network comes with the first machine, so make machines one by one and let them boot together.
    machines = [present.get(name) or _create(site, name, address, read_only) for name, address in wanted]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda machine: _boot(site, machine), machines))
    site.shares.create(SHARE, [EXPORT])
    depot.start(_depot(site), f"{site.network().gateway}:{DEPOT_PORT}", models=offered, images=images)
    (site.state_dir / "known_hosts").write_text(site.known_hosts)
    for name, address in wanted:
        print(f"{name}: ssh -i {site.key} -o UserKnownHostsFile={site.state_dir / 'known_hosts'} root@{address}")


def stop(site: Site) -> None:
    """Takes all of it away; what was built stays in the cache."""
    depot.stop(_depot(site))
    site.destroy_all()
    print("no machine, network or shared folder is left")


def _depot(site: Site) -> Path:
    return site.state_dir.parent / "depot"


def _create(site: Site, name: str, address: str, read_only: Sequence[str]) -> Machine:
    return site.create(name, address, memory_mib=MEMORY_MIB, binds_ro=list(read_only))


def _boot(site: Site, machine: Machine) -> None:
    if not machine.running:
        site.start(machine.paths.name)
    machine.wait_for_ssh()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("--machines", type=int, default=2, help="how many (%(default)s)")
    parser.add_argument("--engine", action="append", default=[], choices=sorted(PROGRAMS), help="engine beside vLLM")


def run(options: argparse.Namespace) -> int:
    """Does it."""
    site = Site()
    if options.action == "start":
        names = [f"node-{number}" for number in range(options.machines)]
        start(site, names, engines=options.engine, models={INSTRUCT_ID: ensure_instruct_model()})
    else:
        stop(site)
    return 0
