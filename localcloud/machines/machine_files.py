"""The files that make a machine out of the base image: identity, keys, names, sources of packages."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from localcloud.machines.mirror import MIRROR_PORT
from localcloud.machines.records import MachineRecord, NetworkRecord
from localcloud.system.programs import run

UBUNTU_ID = 1000  # the first user of a Debian system, made in the base image


def write_machine_files(
    root: Path, machine: MachineRecord, network: NetworkRecord, host_key: Path, authorized_keys: Sequence[str]
) -> None:
    """Writes them below `root`, the machine's own layer over the base image.

    `host_key` is the private ed25519 key for sshd; `authorized_keys` are lines for root and for the user `ubuntu`.
    """
    _write(root / "etc/hostname", f"{machine.name}\n")
    # An own machine id spares the first-boot work, which would run on every new machine.
    _write(root / "etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
    _write(
        root / "etc/hosts",
        f"127.0.0.1 localhost\n{machine.address} {machine.name}\n::1 localhost ip6-localhost ip6-loopback\n",
    )
    # Nobody answers there, and says so at once: looking up a name fails without waiting.
    _write(root / "etc/resolv.conf", f"nameserver {network.gateway}\noptions attempts:1 timeout:1\n")
    _write(root / "etc/apt/sources.list", f"deb [trusted=yes] http://{network.gateway}:{MIRROR_PORT}/ ./\n")
    _write(root / "etc/ssh/ssh_host_ed25519_key", host_key.read_text(), 0o600)
    _write(root / "etc/ssh/ssh_host_ed25519_key.pub", f"{machine.host_key} root@{machine.name}\n")
    keys = "".join(f"{key.strip()}\n" for key in authorized_keys)
    for home, owner in ((root / "root", 0), (root / "home/ubuntu", UBUNTU_ID)):
        _write(home / ".ssh/authorized_keys", keys, 0o600)
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner, owner)
        home.chmod(0o700)
        (home / ".ssh").chmod(0o700)


def new_key(file: Path, comment: str) -> str:
    """Makes an ed25519 key pair, unless it is there; returns the public line."""
    if not file.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file)
    return file.with_name(f"{file.name}.pub").read_text().strip()


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
    file.chmod(mode)
