"""Scripts of ours on a stack's machines, by the SSH lines of its output `machines`."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=3",
)


def run_script(
    ssh: str, script: bytes, words: Sequence[str], *, shown: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Has a machine's bash read a script from standard input.

    Args:
        ssh: how SSH reaches the machine.
        script: the script.
        words: its arguments.
        shown: what it writes to standard error goes to ours, as it comes.
    """
    # As a shell would: a key may be named by a variable.
    client, *rest = (os.path.expandvars(word) for word in shlex.split(ssh))
    return subprocess.run(
        [client, *OPTIONS, *rest, shlex.join(["bash", "-s", "--", *words])],
        input=script, stdout=subprocess.PIPE, stderr=None if shown else subprocess.PIPE, check=False,
    )  # fmt: skip
