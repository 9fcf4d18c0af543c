"""The user's own SSH keys: a file's, or those of the running ssh-agent."""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
from pathlib import Path

import pulumi

from stacks.platforms.ssh_agent import refuse_dead_agent
from stacks.settings.errors import SettingsError
from stacks.settings.ssh import SshSettings

ABSENT = "no key yet"
_MAGIC = b"openssh-key-v1\0"
"""What OpenSSH's own key format begins with, before the name of the cipher (PROTOCOL.key)."""


def expanded(text: str) -> Path:
    """A path of the settings with ~ and $VARIABLES filled in."""
    return Path(os.path.expandvars(text)).expanduser()


PLAIN_KEY = "name a key without one, such as ssh-keygen -t ed25519 -N '' makes"


def private_key(
    ssh: SshSettings, *, passphrase: bool = False, file: str | None = None, remedy: str = PLAIN_KEY
) -> pulumi.Output[str]:
    """What the key file holds, a secret; in a preview a missing file is none.

    Args:
        ssh: the settings.
        passphrase: whether one is given: the key must have one.
        file: another key file than `ssh.privateKeyFile`.
        remedy: what to do about a key with a passphrase where none is given.

    Raises:
        SettingsError: it can't be read or used.
    """
    path = expanded(file or ssh.private_key_file)
    setting = "ssh.proxyJump.privateKeyFile" if file else "ssh.privateKeyFile"
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        if pulumi.runtime.is_dry_run() and isinstance(error, FileNotFoundError):
            text = ABSENT
        else:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(
                f"{setting}: {path} can't be read ({reason}); name the private key that opens the machines, or make "
                "one with `ssh-keygen -t ed25519`"
            ) from None
    if text.startswith(("ssh-", "ecdsa-", "sk-")):
        raise SettingsError(f"{setting}: {path} is a public key; name the private one, {path.with_suffix('')}")
    if text.startswith("PuTTY-User-Key-File"):
        raise SettingsError(
            f"{setting}: {path} is in PuTTY's format; turn it into OpenSSH's: "
            f"puttygen {path} -O private-openssh -o FILE"
        )
    if has_passphrase(text) and not passphrase:
        raise SettingsError(f"{setting}: {path} has a passphrase; {remedy}")
    if passphrase and not has_passphrase(text) and text != ABSENT:
        raise SettingsError(f"sshKeyPassphrase: {path} has no passphrase; take sshKeyPassphrase out")
    secret: pulumi.Output[str] = pulumi.Output.secret(text)
    return secret


def has_passphrase(text: str) -> bool:
    """Whether a private key's text is encrypted: OpenSSH's own format, PKCS #8, or the older PEM."""
    if "BEGIN ENCRYPTED PRIVATE KEY" in text or "Proc-Type: 4,ENCRYPTED" in text:
        return True
    lines = text.strip().splitlines()
    if not lines or "BEGIN OPENSSH PRIVATE KEY" not in lines[0]:
        return False
    try:
        raw = base64.b64decode("".join(lines[1:-1]))
    except binascii.Error:
        return False
    if not raw.startswith(_MAGIC):
        return False
    rest = raw[len(_MAGIC) :]
    length = int.from_bytes(rest[:4], "big")
    return rest[4 : 4 + length] != b"none"


def check_agent() -> None:
    """Makes sure that an agent with keys is there.

    Raises:
        SettingsError: none is, or it holds none.
    """
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise SettingsError(
            "ssh.agent: no ssh-agent runs in this shell (SSH_AUTH_SOCK is not set); start one, load the key and run "
            "again: eval $(ssh-agent) && ssh-add FILE"
        )
    refuse_dead_agent()
    done = subprocess.run(["ssh-add", "-l"], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise SettingsError(
            "ssh.agent: the running ssh-agent holds no key; load the one that opens the machines: ssh-add FILE"
        )
