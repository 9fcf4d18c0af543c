"""The command line that boots a machine."""

from pathlib import Path

from localcloud.machines.container import boot_command
from localcloud.machines.layout import MachinePaths
from localcloud.machines.records import MachineRecord

MACHINE = MachineRecord("node-0", "10.0.0.2", "default", "/images/base", "ssh-ed25519 AAAA", binds_ro=("/data:/opt/d",))


def test_it_has_name_network_and_folders_of_its_own() -> None:
    paths = MachinePaths(Path("/state"), "node-0")
    command = boot_command(MACHINE, paths)
    assert "--hostname=node-0" in command
    assert f"--network-namespace-path=/run/netns/{paths.netns}" in command
    assert "--bind-ro=/data:/opt/d" in command
    assert "--bind=/state/machines/node-0/disk/docker:/var/lib/docker" in command


def test_its_parents_death_is_its_own() -> None:
    """Each link of the chain dies with the one before: setpriv for unshare, --kill-child for systemd-nspawn."""
    command = boot_command(MACHINE, MachinePaths(Path("/state"), "node-0"))
    assert command[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert "--kill-child=KILL" in command[: command.index("systemd-nspawn")]


def test_names_on_the_host_differ_between_sites_and_fit_an_interface() -> None:
    first, second = (MachinePaths(Path(site), "node-0") for site in ("/a", "/b"))
    assert first.interface != second.interface
    assert len(MachinePaths(Path("/a"), "x" * 63).interface) <= 15
