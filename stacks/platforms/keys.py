"""The user's own SSH key."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi

from stacks.schema import SshSettings
from stacks.settings import SettingsError


def expanded(text: str) -> Path:
    """A path of the settings with ~ and $VARIABLES filled in."""
    return Path(os.path.expandvars(text)).expanduser()


def private_key(ssh: SshSettings) -> pulumi.Output[str]:
    """What the key file holds, a secret; in a preview a missing file is none.

    Raises:
        SettingsError: it can't be read.
    """
    file = expanded(ssh.private_key_file)
    try:
        text = file.read_text()
    except OSError as error:
        if pulumi.runtime.is_dry_run() and isinstance(error, FileNotFoundError):
            text = "no key yet"
        else:
            raise SettingsError(
                f"ssh.privateKeyFile: {file} can't be read ({error.strerror}); name the private key that opens the "
                "machines, or make one with `ssh-keygen -t ed25519`"
            ) from None
    secret: pulumi.Output[str] = pulumi.Output.secret(text)
    return secret
