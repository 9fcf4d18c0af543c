"""The environment in which Pulumi runs with this toolchain."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

from toolchain import installed_plugins
from toolchain.assembly import home_dir, tools_dir
from toolchain.ensure_toolchain import explain
from toolchain.errors import ToolchainError
from toolchain.parts import all_parts
from toolchain.paths import state_dir
from toolchain.select_cli import choose

_OURS = "TANDEM_BACKEND_URL"  # holds the backend that environment() itself chose
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def environment() -> dict[str, str]:
    """Return what to add to the environment of `pulumi` and of programs that use it.

    With neither a backend nor a passphrase set by the user, stacks are kept in files under ``state_dir()``, sealed
    with a random passphrase that is made once and kept beside them, readable by the user alone.

    Raises:
        ToolchainError: ``ensure`` has to run first.

    """
    choice = choose(download=False)
    # Stack files name keys and host keys of the local machines below the state's folder.
    result = {"PULUMI_SKIP_UPDATE_CHECK": "1", "TANDEM_STATE": str(state_dir().parent)}
    parts = list(all_parts().values())
    if choice.directory is None:
        if not all(part.present() for part in parts) or not (tools_dir() / "bin" / "pulumi").exists():
            raise ToolchainError(explain(choice))
        programs = tools_dir() / "bin"
        # Without these the engine would try to download what can't be, and wait for it.
        result |= {
            "PULUMI_HOME": str(home_dir()),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
        }
        folders = [programs]
    else:
        if any(installed_plugins.missing(part) for part in parts):
            raise ToolchainError(explain(choice))
        folders = [choice.directory, *installed_plugins.ours(parts)]
    result["PATH"] = _first_on_path(folders)
    if not _user_chose_backend():
        result |= _local_backend()
    if agent := os.environ.get("SSH_AUTH_SOCK"):
        # Pulumi's command plugin fails at an agent that is gone; an empty name is none.
        result |= {} if _answers(agent) else {"SSH_AUTH_SOCK": ""}
    return result


def _answers(path: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(5)
        asked.connect(path)
        return True
    return False


def _user_chose_backend() -> bool:
    """Tell what the user set himself from what a shell that evaluated our ``env`` hands on."""
    ours = os.environ.get(_OURS)
    if ours is not None and os.environ.get("PULUMI_BACKEND_URL") == ours:
        return False
    return any(name in os.environ for name in ("PULUMI_BACKEND_URL", *_PASSPHRASES))


def _first_on_path(folders: list[Path]) -> str:
    first = [str(folder) for folder in folders]
    rest = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry not in first]
    return os.pathsep.join([*first, *rest])


def _local_backend() -> dict[str, str]:
    stacks = state_dir() / "stacks"
    stacks.mkdir(parents=True, exist_ok=True)
    state_dir().chmod(0o700)
    passphrase = state_dir() / "passphrase"
    try:
        descriptor = os.open(passphrase, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    url = stacks.as_uri()
    return {"PULUMI_BACKEND_URL": url, _OURS: url, "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase)}
