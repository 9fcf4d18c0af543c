"""The process that serves the package mirror on one network's gateway."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.system.paths import PACKAGE_ROOT
from localcloud.system.processes import ProcessRecord, require, wait_until
from localcloud.system.programs import last_line

MIRROR_PORT = 8601


class MirrorProcess:
    """Known by the file that names it, so that it outlives who started it; callers hold the site's lock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log = file.with_name(f"{file.name}.log")

    def serves(self, folder: Path | None) -> bool:
        """Whether it runs and serves that folder; with None, whatever it serves."""
        server = self._record()
        return server is not None and server.alive() and (folder is None or server.name == str(folder))

    def start(self, address: str, folder: Path) -> None:
        """Serves the folder at http://ADDRESS:8601/ from now on.

        Raises:
            LocalCloudError: it does not answer, for instance because the port is taken.
        """
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "localcloud.machines.mirror_server", address, str(MIRROR_PORT), str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_ROOT)},
            )  # fmt: skip
        record = ProcessRecord.of(str(folder), process.pid)
        record.save(self._file)
        wait_until(lambda: _answers(address) or not record.alive(), 10)
        if not record.alive() or not _answers(address):
            self.stop()
            said = last_line(self._log.read_text(errors="replace"))
            raise LocalCloudError(f"The package mirror does not answer at {address}:{MIRROR_PORT}: {said}")

    def stop(self) -> None:
        """Ends it; nothing happens when it does not run."""
        server = self._record()
        if server is None:
            return
        server.signal(signal.SIGTERM)
        require(lambda: not server.alive(), 10, f"The package mirror (process {server.pid}) does not end: kill it.")
        self._file.unlink()

    def _record(self) -> ProcessRecord | None:
        try:
            return ProcessRecord.load(self._file)
        except FileNotFoundError:
            return None


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, MIRROR_PORT), timeout=1).close()
    except OSError:
        return False
    return True
