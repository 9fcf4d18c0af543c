"""Writes Caddy's configuration, and has a Caddy that runs load it first. Needs nothing but Python 3.8.

    configure.py FOLDER PLACE OWNER ACME_ROOT    the configuration, JSON, on standard input, with @GATEWAY@ for PLACE

A configuration that the running Caddy refuses is not written: Caddy goes on with the one before. The admin socket lies
in FOLDER, which only OWNER may enter; Caddy sees that folder as PLACE.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from pathlib import Path

SECONDS = 60


class Admin(http.client.HTTPConnection):
    """Caddy's admin API on its socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        """To the socket, by its name in its own folder: a whole path may be longer than an address allows."""
        os.chdir(self.path.parent)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path.name)


def load(admin: Path, config: bytes) -> str:
    """Has a running Caddy load it; returns what it says against it. With none running there is nothing to do."""
    connection = Admin(admin)
    try:
        connection.request("POST", "/load", config, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        code, said = answer.status, answer.read().decode(errors="replace")
    except (FileNotFoundError, ConnectionRefusedError):
        return ""
    except OSError as error:
        return f"it does not answer on its admin socket ({error})"
    finally:
        connection.close()
    if code == 200:
        return ""
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said.strip()[:300] or f"HTTP {code}"


def write(file: Path, content: bytes, owner: str) -> None:
    """A file that only its owner reads, whole or not at all."""
    draft = file.with_name(f"{file.name}.new")
    if draft.exists():
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    if owner:
        os.chown(draft, int(owner), int(owner))
    draft.replace(file)


def main() -> int:
    """Reads the arguments."""
    folder, (place, owner, root) = Path(sys.argv[1]).resolve(), sys.argv[2:]
    config = sys.stdin.buffer.read().replace(b"@GATEWAY@", place.encode())
    if root:
        write(folder / "acme-root.pem", root.encode(), owner)
    error = load(folder / "admin", config)
    if error:
        print(f"the gateway goes on as it was, since it refused its new configuration: {error}", file=sys.stderr)
        return 1
    write(folder / "config.json", config, owner)
    return 0


if __name__ == "__main__":
    sys.exit(main())
