"""Folders of the host that machines mount by NFS."""

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.machines.records import ShareRecord
from localcloud.system.locks import locked
from localcloud.system.records import save_json


class Shares:
    """The shared folders of a site. Every machine reads the list of exports; a change is seen at once."""

    def __init__(self, folder: Path, lock: Path) -> None:
        self._folder = folder
        self._lock = lock

    def create(self, name: str, exports: Sequence[str] = (), clients: Sequence[str] = ()) -> Path:
        """Makes a folder that machines mount as `GATEWAY:/NAME`, and as each of `exports`, written SERVER:/PATH.

        With `clients`, only machines with an address in one of these CIDRs may mount it. Made again it keeps its files
        and takes the new lists. Returns the folder on the host.

        Raises:
            LocalCloudError: a name or export is malformed.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
            raise LocalCloudError(f"The share {name!r} is no folder name: use letters, digits, `-`, `_` and `.`.")
        for export in exports:
            if not re.fullmatch(r"[^:/\s]+:/\S*", export):
                raise LocalCloudError(
                    f"The export {export!r} is not SERVER:/PATH: write for instance 10.0.0.9:/weights."
                )
        folder = self._folder / "shares" / name
        with locked(self._lock):
            folder.mkdir(parents=True, exist_ok=True)
            ShareRecord(name, tuple(exports), tuple(clients)).save(self._folder / f"{name}.share")
            self._publish()
        return folder

    def destroy(self, name: str) -> None:
        """Takes a share and its files away; nothing happens when there is none."""
        with locked(self._lock):
            (self._folder / f"{name}.share").unlink(missing_ok=True)
            if (self._folder / "shares" / name).exists():
                shutil.rmtree(self._folder / "shares" / name)
            self._publish()

    def list(self) -> list[ShareRecord]:
        """All shares, by name."""
        return [ShareRecord.load(file) for file in sorted(self._folder.glob("*.share"))]

    def publish(self, servers: Iterable[str]) -> None:
        """Tells all machines the exports; `servers` are the addresses that serve every share under its own name.

        The caller holds the site's lock.
        """
        (self._folder / "shares").mkdir(parents=True, exist_ok=True)
        save_json(self._folder / "servers", sorted(servers))
        self._publish()

    def _publish(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        servers = self._servers()
        entries = [
            {"server": server, "path": path, "share": share.name, "clients": share.clients}
            for share in self.list()
            for server, _, path in (
                export.partition(":") for export in (*share.exports, *(f"{s}:/{share.name}" for s in servers))
            )
        ]
        save_json(self._folder / "exports.json", entries)

    def _servers(self) -> Sequence[str]:
        file = self._folder / "servers"
        return [str(server) for server in json.loads(file.read_text())] if file.exists() else []
