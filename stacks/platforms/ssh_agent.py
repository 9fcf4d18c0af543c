"""The SSH agent of this shell, which may be gone."""

from __future__ import annotations

import os
import socket

from stacks.settings.errors import SettingsError


def refuse_dead_agent() -> None:
    """An agent that SSH_AUTH_SOCK names must answer.

    Pulumi's command plugin asks it before every remote command, whichever key is given, and fails when nobody is there
    (pulumi-command 1.2.1, provider/pkg/provider/remote/connection.go).

    Raises:
        SettingsError: nobody is there.
    """
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(path)
    except OSError as error:
        raise SettingsError(
            f"SSH_AUTH_SOCK: no SSH agent answers at {path} ({error.strerror or error}), and Pulumi asks it before "
            "every command on a machine, whichever key is set; run `unset SSH_AUTH_SOCK` in this shell, or log in anew"
        ) from None
