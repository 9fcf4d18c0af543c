#!/usr/bin/env python3
"""The helper that mount(8) calls for `-t nfs`, in a machine whose kernel has no NFS client.

It binds the folder that the site shares under SERVER:/EXPORT. Its errors and exit codes are those of nfs-utils'
mount.nfs (utils/mount/error.c): 0, or 1 for wrong usage, or 32 for a mount that failed.
"""

import ipaddress
import json
import os
import posixpath
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn, TypedDict

EXPORTS = Path("/run/machine/nfs/exports.json")
SHARES = Path("/run/machine/nfs/shares")
USAGE, FAILED = 1, 32
NFS_PORT = 2049
# nfs(5): the options that the helper itself or the kernel's client reads.
WITH_VALUE = (
    "acdirmax acdirmin acregmax acregmin actimeo addr bsize clientaddr local_lock lookupcache max_connect minorversion"
    " mountaddr mounthost mountport mountproto mountvers namlen nconnect nfsvers port proto retrans retry rsize sec"
    " timeo trunkdiscovery vers write wsize xprtsec"
)
FLAGS = (
    "_netdev ac acl async atime auto bg cto defaults dev diratime dirsync exec fg fsc hard intr lock mand migration"
    " noac noacl noatime noauto nocto nodev nodiratime noexec nofail nofsc nointr nolock nomand nomigration"
    " nordirplus norelatime noresvport nosharecache nosharetransport nosoft nosoftreval nostrictatime nosuid"
    " notrunkdiscovery nouser posix rdirplus rdma relatime remount resvport ro rw sharecache sharetransport sloppy"
    " soft softerr softreval strictatime suid sync tcp tcp6 udp udp6 user users v3 v4 v4.0 v4.1 v4.2"
)
KERNEL_FLAGS = ("nodev", "nodiratime", "noatime", "noexec", "nosuid", "relatime", "ro")


class Export(TypedDict):
    """One line of the site's list; `clients` are CIDRs, none means all."""

    server: str
    path: str
    share: str
    clients: list[str]


def fail(reason: str, code: int = FAILED) -> NoReturn:
    """Ends as mount.nfs ends: its name, the reason, its exit code."""
    print(f"mount.nfs: {reason}", file=sys.stderr)
    sys.exit(code)


def parse(argv: Sequence[str]) -> tuple[str, Path, list[str]]:
    """Source, folder and options of `mount.nfs SOURCE FOLDER [-fnrsvw] [-o OPTIONS]`."""
    plain: list[str] = []
    options: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "-o":
            options += next(words, "").split(",")
        elif word.startswith("-") and len(word) > 1:
            options += ["ro"] * ("r" in word[1:]) + ["fake"] * ("f" in word[1:])
        else:
            plain.append(word)
    if len(plain) != 2:
        fail("no mount point provided" if len(plain) == 1 else "no share and mount point provided", USAGE)
    return plain[0], Path(plain[1]), [option for option in options if option]


def check(options: Iterable[str]) -> None:
    """Refuses an option that nfs(5) does not know."""
    for option in options:
        name, equals, _ = option.partition("=")
        known = name in WITH_VALUE.split() if equals else name in FLAGS.split() or name == "fake"
        if not known and not name.startswith(("x-", "comment")):
            fail("an incorrect mount option was specified")


def reach(server: str, *, known: bool) -> None:
    """Speaks to the server as a mount does, so that a cut network is a cut network here.

    Nobody need listen there: a refusal shows that the machine behind a known export is reached.
    """
    try:
        address = str(socket.getaddrinfo(server, NFS_PORT, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        if not known:
            fail(f"Failed to resolve server {server}: Name or service not known")
        address = gateway()  # a name that only the site knows: the host stands for it
    try:
        socket.create_connection((address, NFS_PORT), timeout=10).close()
    except ConnectionRefusedError:
        if not known:
            fail("Connection refused")
    except TimeoutError:
        fail("Connection timed out")
    except OSError as error:
        fail(os.strerror(error.errno) if error.errno else str(error))


def gateway() -> str:
    """Where the default route leads."""
    routes = json.loads(ip("route", "show", "default"))
    return str(routes[0]["gateway"]) if routes else fail("Network is unreachable")


def allowed(clients: Sequence[str]) -> bool:
    """Whether this machine has an address in one of these CIDRs."""
    own = [ipaddress.ip_address(a["local"]) for link in json.loads(ip("address")) for a in link["addr_info"]]
    return not clients or any(address in ipaddress.ip_network(client) for address in own for client in clients)


def ip(*words: str) -> str:
    """What `ip` says about IPv4, as JSON."""
    return subprocess.run(["ip", "-4", "-j", *words], check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Mounts, or ends with the words and the code of mount.nfs."""
    source, folder, options = parse(sys.argv[1:])
    check(options)
    server, colon, path = source.partition(":")
    if not colon or not path.startswith("/"):
        fail("remote share not in 'host:dir' format", USAGE)
    if not folder.is_dir():
        fail(f"mount point {folder} does not exist")
    exports: list[Export] = json.loads(EXPORTS.read_text())
    path = posixpath.normpath(path)
    # The longest export that is the path or above it, as a server looks it up.
    fitting = [e for e in exports if e["server"] == server and (path + "/").startswith(e["path"].rstrip("/") + "/")]
    export = max(fitting, key=lambda e: len(e["path"]), default=None)
    reach(server, known=any(e["server"] == server for e in exports))
    if export is not None and not allowed(export["clients"]):
        fail(f"access denied by server while mounting {source}")
    inside = SHARES / export["share"] / posixpath.relpath(path, export["path"]) if export else None
    if inside is None or not inside.is_dir():
        fail(f"mounting {source} failed, reason given by server: No such file or directory")
    if "fake" in options:
        return
    subprocess.run(["/usr/bin/mount", "--no-mtab", "--bind", inside, folder], check=True)
    flags = [flag for flag in KERNEL_FLAGS if flag in options]
    if flags:
        subprocess.run(["/usr/bin/mount", "-o", "remount,bind," + ",".join(flags), folder], check=True)


if __name__ == "__main__":
    main()
