"""One machine: its power, its cable, and what one may know about it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

from localcloud.errors import LocalCloudError
from localcloud.machines import network as cable
from localcloud.machines.control_groups import ControlGroups
from localcloud.machines.layout import MachinePaths
from localcloud.machines.records import MachineRecord, NetworkRecord
from localcloud.machines.supervisor import leader_of
from localcloud.system.locks import locked
from localcloud.system.paths import PACKAGE_ROOT
from localcloud.system.processes import RTMIN, ProcessRecord, require, wait_until
from localcloud.system.programs import last_line

REBOOT = RTMIN + 5  # systemd(1): what its process 1 takes for `systemctl reboot`
STOP_SECONDS = 30.0
SSH_SECONDS = 60.0


@dataclass(frozen=True)
class Machine:
    """A machine of a site. Every action holds the machine's lock, so any number of processes may call at once."""

    paths: MachinePaths

    @property
    def record(self) -> MachineRecord:
        """What it was created with.

        Raises:
            LocalCloudError: there is no such machine.
        """
        try:
            return MachineRecord.load(self.paths.record)
        except FileNotFoundError:
            raise LocalCloudError(
                f"There is no machine {self.paths.name}: `python -m localcloud machines list` names those there are."
            ) from None

    @property
    def running(self) -> bool:
        """Whether its power is on."""
        supervisor = self._supervisor()
        return supervisor is not None and supervisor.alive()

    @property
    def interface(self) -> str:
        """The host's end of its cable: packets of this machine pass here, and firewall rules can name it."""
        return self.paths.interface

    def facts(self) -> dict[str, Any]:
        """All one may know, as JSON has it: the record, state, host names, folder, boots since power-on, leader pid."""
        record, running = self.record, self.running
        return {
            **asdict(record),
            "state": "running" if running else "stopped",
            "interface": self.paths.interface,
            "netns": self.paths.netns,
            "folder": str(self.paths.folder),
            "console": str(self.paths.console),
            "boots": self._boots() if running else 0,
            "leader": self._leader(),
        }

    def start(self, network: NetworkRecord) -> None:
        """Switches the power on; nothing happens when it is on. Returns when the boot has begun.

        Raises:
            LocalCloudError: the boot could not begin; says why.
        """
        with locked(self.paths.lock):
            record = self.record
            if self.running:
                return
            groups = ControlGroups(self.paths.id)
            groups.kill()  # nothing of an earlier boot may still write to the disk
            cable.cable_up(record, network, self.paths.netns, self.paths.interface)
            self.paths.supervisor.unlink(missing_ok=True)
            failure = self._launch()
            if failure:
                groups.kill()
                groups.remove()
                raise LocalCloudError(f"Machine {record.name} did not start: {failure} (console: {self.paths.console})")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Shuts it down in order, as its power button does; after `seconds` the power is cut."""
        with locked(self.paths.lock):
            supervisor = self._supervisor()
            if supervisor is not None:
                supervisor.signal(signal.SIGTERM)
                supervisor.ended(seconds)
            self._power_off()

    def kill(self) -> None:
        """Cuts its power: nothing inside is asked."""
        with locked(self.paths.lock):
            self._power_off()

    def reboot(self) -> None:
        """Asks it to reboot and returns when it boots again; address, disk and power stay.

        Raises:
            LocalCloudError: it is stopped, or does not reboot in time.
        """
        with locked(self.paths.lock):
            boots = self._boots()
            # Between two boots it runs and has no process 1 yet.
            wait_until(lambda: not self.running or self._leader() is not None, STOP_SECONDS)
            leader = self._leader()
            if leader is None:
                raise LocalCloudError(f"Machine {self.paths.name} is stopped and cannot reboot: start it.")
            ProcessRecord.of("leader", leader).signal(REBOOT)
            require(
                lambda: self._boots() > boots,
                STOP_SECONDS,
                f"Machine {self.paths.name} did not reboot in {STOP_SECONDS:.0f} s: `kill` it and start it again.",
            )

    def unplug(self) -> None:
        """Pulls its network cable; stays so over reboots, until `plug`."""
        self._set_plugged(False)

    def plug(self) -> None:
        """Plugs its network cable in again."""
        self._set_plugged(True)

    def destroy(self) -> None:
        """Cuts the power and takes everything of it away; nothing happens when there is nothing."""
        with locked(self.paths.lock):
            self._power_off()
            cable.cable_down(self.paths.netns, self.paths.interface)
            # The record goes first: what is left of a half-removed folder is not a machine.
            self.paths.record.unlink(missing_ok=True)
            shutil.rmtree(self.paths.folder, ignore_errors=True)
            if self.paths.folder.exists():
                shutil.rmtree(self.paths.folder)

    def wait_for_ssh(self, seconds: float = SSH_SECONDS) -> None:
        """Returns when its SSH server greets.

        Raises:
            LocalCloudError: it does not within that time, or the machine stopped; says its console's last line.
        """
        address = self.record.address
        if wait_until(lambda: _greets(address) or not self.running, seconds) and self.running:
            return
        said = last_line(self.paths.console.read_text(errors="replace")) if self.paths.console.exists() else "nothing"
        raise LocalCloudError(
            f"Machine {self.paths.name} does not answer by SSH at {address} "
            f"({'running' if self.running else 'stopped'}); its console ends with: {said} ({self.paths.console})"
        )

    def _launch(self) -> str:
        """Starts the supervisor, which outlives this process; returns why it failed, empty when it did not."""
        reading, writing = os.pipe()
        try:
            with self.paths.console.open("ab") as console:
                subprocess.run(
                    [
                        "setsid",
                        "--fork",
                        "unshare",
                        "--mount",
                        "--propagation",
                        "slave",
                        sys.executable,
                        "-m",
                        "localcloud.machines.supervisor",
                        str(self.paths.site),
                        self.paths.name,
                        str(writing),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    pass_fds=[writing],
                    check=True,
                    cwd="/",
                    env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_ROOT), "LANG": "C.UTF-8"},
                )
        finally:
            os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        if answer == "ready":
            return ""
        return answer or last_line(self.paths.console.read_text(errors="replace"))

    def _power_off(self) -> None:
        supervisor = self._supervisor()
        if supervisor is not None:
            supervisor.signal(signal.SIGKILL)
            supervisor.ended(10)
        groups = ControlGroups(self.paths.id)
        groups.kill()
        groups.remove()
        self.paths.supervisor.unlink(missing_ok=True)

    def _set_plugged(self, plugged: bool) -> None:
        with locked(self.paths.lock):
            replace(self.record, unplugged=not plugged).save(self.paths.record)
            if (cable.NETNS_DIR / self.paths.netns).exists():
                cable.plug(self.paths.interface, plugged=plugged)

    def _supervisor(self) -> ProcessRecord | None:
        try:
            return ProcessRecord.load(self.paths.supervisor)
        except FileNotFoundError:
            return None

    def _leader(self) -> int | None:
        supervisor = self._supervisor()
        return leader_of(supervisor.pid) if supervisor and supervisor.alive() else None

    def _boots(self) -> int:
        return int(self.paths.boots.read_text()) if self.paths.boots.exists() else 0


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
