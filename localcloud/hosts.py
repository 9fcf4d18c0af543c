"""python -m localcloud.hosts start | stop: two bare machines, and what they fetch, for Pulumi.hosts.yaml."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.depot import daemon
from localcloud.errors import LocalCloudError
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
) -> None:
    """Makes what is missing of machines, shared folder and depot; leaves alone what is there.

    Machines get the addresses .11, .12 and so on of the site's subnet; the depot listens on the gateway's.

    Args:
        site: where.
        names: the machines.
        subnet: the site's network.
        engines: engines beside vLLM, names in PROGRAMS; with any of them the depot has the GGUF models.
        binds: more folders that machines have read-only, `source:target`.
        models: more models that the depot has, by the name that hubs give them.
    """
    environment = ensure_environment()
    ensure_images()
    served = {MODEL_ID: ensure_model(), **(models or {})}
    ensure_wheels()
    programs = [f"{PROGRAMS[name]() / 'bin'}:/opt/tandem/{name}" for name in engines]
    if engines:
        served |= {name: ensure_gguf(parts) for parts, name in GGUF_IDS.items()}
    read_only = [f"{environment}:{ENGINE}", *programs, *binds]
    present = {machine.paths.name: machine for machine in site.machines}
    first = ipaddress.IPv4Network(subnet).network_address + 11
    wanted = [(name, str(first + number)) for number, name in enumerate(names)]
    # The network comes with the first machine, so make machines one by one and let them boot together.
    machines = [present.get(name) or _create(site, name, address, read_only) for name, address in wanted]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda machine: _boot(site, machine), machines))
    site.shares.create(SHARE, [EXPORT])
    gateway = site.network().gateway
    state = site.state_dir.parent / "depot"
    if daemon.status(state) is None:
        listen = f"{gateway}:{DEPOT_PORT}"
        words = [word for name, folder in served.items() for word in ("--model", f"{name}={folder}")]
        daemon.start(["--listen", listen, "--state", str(state), *words], listen, state)
    (site.state_dir / "known_hosts").write_text(site.known_hosts)
    for name, address in wanted:
        print(f"{name}: ssh -i {site.key} -o UserKnownHostsFile={site.state_dir / 'known_hosts'} root@{address}")


def stop(site: Site) -> None:
    """Takes all of it away; what was built stays in the cache."""
    daemon.stop(site.state_dir.parent / "depot")
    site.destroy_all()
    print("no machine, network or shared folder is left")


def _create(site: Site, name: str, address: str, read_only: Sequence[str]) -> Machine:
    return site.create(name, address, memory_mib=MEMORY_MIB, binds_ro=list(read_only))


def _boot(site: Site, machine: Machine) -> None:
    if not machine.running:
        site.start(machine.paths.name)
    machine.wait_for_ssh()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0, or 1 after one sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.hosts", description=__doc__)
    parser.add_argument("command", choices=("start", "stop"))
    parser.add_argument("--machines", type=int, default=2, help="how many (%(default)s)")
    parser.add_argument("--engine", action="append", default=[], choices=sorted(PROGRAMS), help="engine beside vLLM")
    told = parser.parse_args(argv)
    try:
        site = Site()
        if told.command == "start":
            names = [f"node-{number}" for number in range(told.machines)]
            start(site, names, engines=told.engine, models={INSTRUCT_ID: ensure_instruct_model()})
        else:
            stop(site)
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
