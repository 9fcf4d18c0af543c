"""Holds the power of one machine: python -m localcloud.machines.supervisor SITE NAME READY_FD.

It runs in a mount namespace of its own, where the machine's disk is mounted: with the last process the mount is gone.
SIGKILL to it is a power cut: everything in the machine ends with it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from localcloud.errors import LocalCloudError
from localcloud.machines.container import ENVIRONMENT, REBOOT, boot_command
from localcloud.machines.control_groups import ControlGroups
from localcloud.machines.layout import MachinePaths
from localcloud.machines.records import MachineRecord
from localcloud.system.processes import RTMIN, ProcessRecord, descendants
from localcloud.system.programs import run
from localcloud.system.records import save_json

POWEROFF = RTMIN + 4  # systemd(1): what its process 1 takes for `systemctl poweroff`
NSPAWN_STATE = Path("/run/systemd/nspawn")


def supervise(paths: MachinePaths, ready: int) -> None:
    """Boots the machine again as often as it reboots; returns when it powered itself off or gets SIGTERM."""
    machine = MachineRecord.load(paths.record)
    groups = ControlGroups(paths.id)
    groups.create(machine.cpus, machine.cpu_list, machine.memory_mib)
    groups.join(os.getpid())
    _mount(machine, paths)
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        leader = leader_of(os.getpid())
        if leader is not None:
            os.kill(leader, POWEROFF)

    signal.signal(signal.SIGTERM, stop)
    ProcessRecord.of(machine.name, os.getpid()).save(paths.supervisor)
    boots = 0
    code = REBOOT
    while code == REBOOT and not stopping:
        boots += 1
        with paths.console.open("ab") as console:
            child = subprocess.Popen(
                boot_command(machine, paths),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **ENVIRONMENT},
            )
        save_json(paths.boots, boots)
        if boots == 1:
            os.write(ready, b"ready")
            os.close(ready)
        code = child.wait()


def leader_of(supervisor: int) -> int | None:
    """The host's id of a machine's process 1, None while it has none."""
    for pid in descendants(supervisor):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Its id in each namespace, outermost first: the host's, that of systemd-nspawn, its own.
        ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if len(ids) >= 3 and ids[-1] == "1" and ids[-2] != "1":
            return pid
    return None


def _mount(machine: MachineRecord, paths: MachinePaths) -> None:
    if not Path(machine.image).is_dir():
        raise LocalCloudError(
            f"its base image {machine.image} is gone: destroy the machine and create it again, which makes the image."
        )
    layers = f"lowerdir={machine.image},upperdir={paths.upper},workdir={paths.folder / 'disk' / 'work'}"
    try:
        run("mount", "-t", "overlay", paths.id, "-o", layers, paths.root)
    except LocalCloudError as error:
        raise LocalCloudError(
            f"{error}; a machine's disk must be on ext4, xfs or the like: set TANDEM_STATE to a folder on one."
        ) from error
    # nspawn keeps a folder a machine there and leaves it behind: this one goes with the mount namespace.
    NSPAWN_STATE.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", NSPAWN_STATE)


if __name__ == "__main__":
    ready_fd = int(sys.argv[3])
    os.set_inheritable(ready_fd, False)
    try:
        supervise(MachinePaths(Path(sys.argv[1]), sys.argv[2]), ready_fd)
    except (LocalCloudError, OSError) as error:
        os.write(ready_fd, str(error).encode())
        sys.exit(1)
