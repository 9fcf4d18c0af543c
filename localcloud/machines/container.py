"""The command line that boots a machine."""

from localcloud.machines.layout import REAL_FOLDERS, MachinePaths
from localcloud.machines.records import MachineRecord

ENVIRONMENT = {
    "SYSTEMD_NSPAWN_LOCK": "0",  # our own lock; nspawn's leaves files behind when it is killed
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # /tmp is on the disk, as on a server
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # sysctl net.* is the machine's own; the rest stays read-only
}
REBOOT = 133  # systemd-nspawn(1): what it exits with when the machine asked for a reboot


def boot_command(machine: MachineRecord, paths: MachinePaths) -> list[str]:
    """The argv: systemd-nspawn in a process namespace of its own, which ends with its parent whatever happens."""
    binds = [f"--bind={paths.folder / 'disk' / name}:{inside}" for name, inside in REAL_FOLDERS.items()]
    binds += [f"--bind-ro={bind}" for bind in machine.binds_ro]
    return [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--pid",
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",  # works without systemd on the host, and in our own control groups
        f"--directory={paths.root}",
        f"--machine={paths.id}",
        f"--hostname={machine.name}",
        f"--network-namespace-path=/run/netns/{paths.netns}",
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf",  # what dockerd and runc call
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        *binds,
        f"--bind-ro={paths.site / 'nfs'}:/run/machine/nfs",
        f"--bind={paths.site / 'nfs/shares'}:/run/machine/nfs/shares",
    ]
