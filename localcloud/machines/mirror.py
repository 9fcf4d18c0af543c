"""The server of the package mirror on one network's gateway."""

import socket
from pathlib import Path

from localcloud.system.daemon import Daemon

MIRROR_PORT = 8601


class Mirror:
    """One network's server, known by its file; callers hold the site's lock."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def serves(self, folder: Path | None) -> bool:
        """Whether it runs and serves that folder; with None, whatever it serves."""
        server = self._daemon().process()
        return server is not None and (folder is None or server.name == str(folder))

    def start(self, address: str, folder: Path) -> None:
        """Serves the folder at http://ADDRESS:8601/ from now on.

        Raises:
            LocalCloudError: it does not answer, for instance because the port is taken.
        """
        self._daemon(f"{address}:{MIRROR_PORT}", folder).start(str(folder), lambda: _answers(address), 10)

    def stop(self) -> None:
        """Ends it; nothing happens when it does not run."""
        self._daemon().stop()

    def _daemon(self, listen: str = "", folder: Path | None = None) -> Daemon:
        log = self._file.with_name(f"{self._file.name}.log")
        # It belongs to its network, which outlives the run that made it.
        words = ("files", listen, str(folder))
        return Daemon(f"The package mirror {listen}".strip(), words, self._file, log, owned=False)


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, MIRROR_PORT), timeout=1).close()
    except OSError:
        return False
    return True
