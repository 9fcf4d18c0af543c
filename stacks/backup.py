"""python -m stacks.backup STACK [--restore FILE]: keys, budgets and usage of a stack's team, to a file here or back.

The file is pg_dump's own format. What LiteLLM encrypted in it is read with the outputs teamKey and teamSaltKey alone.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from stacks.logs import LogsError, machines_of
from stacks.project import full_name
from stacks.remote import over_ssh

SCRIPT = Path(__file__).parent / "files" / "team_data.sh"
MAGIC = b"PGDMP"
"""What a file of pg_dump's custom format begins with."""
NONE_THERE = 3
"""Exit code of the script on a machine without the database."""
SECONDS = 1800


class BackupError(Exception):
    """One sentence: what is wrong and what mends it."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it is done, 1 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m stacks.backup", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--to", type=Path, metavar="FILE", help="STACK-TIME.dump in this folder when left out")
    parser.add_argument("--restore", type=Path, metavar="FILE", help="put this file's content there instead")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"the longest it may take ({SECONDS})")
    args = parser.parse_args(argv)
    try:
        if args.restore:
            restore(args.stack, args.restore, args.seconds)
            print(f"restored {args.restore}; LiteLLM is starting again")
        else:
            made = backup(args.stack, args.to or _name(args.stack), args.seconds)
            print(f"{made} ({made.stat().st_size / 2**20:.1f} MiB); keep teamKey and teamSaltKey with it")
    except (BackupError, LogsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _name(stack: str) -> Path:
    return Path(f"{stack}-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}.dump")


def backup(stack: str, file: Path, seconds: int = SECONDS) -> Path:
    """Writes a new file that only its owner reads, whole or not at all.

    Raises:
        BackupError: it could not be made.
        LogsError: the stack names no machines.
    """
    if file.exists():
        raise BackupError(f"{file} is there already; give another name by --to")
    draft = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as opened:
            _on_its_machine(stack, "backup", seconds, stdout=opened)
            opened.seek(0)
            if opened.read(len(MAGIC)) != MAGIC:
                raise BackupError(f"{stack}: what came back is no dump of PostgreSQL; see `make logs STACK={stack}`")
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def restore(stack: str, file: Path, seconds: int = SECONDS) -> None:
    """Puts a file's content in place of what is there; LiteLLM starts anew.

    Raises:
        BackupError: nothing was changed.
        LogsError: the stack names no machines.
    """
    try:
        with file.open("rb", buffering=0) as opened:  # another process reads on where we are
            if opened.read(len(MAGIC)) != MAGIC:
                raise BackupError(f"{file} is no dump of PostgreSQL; name one that `make backup` wrote")
            opened.seek(0)
            _on_its_machine(stack, "restore", seconds, stdin=opened)
    except OSError as error:
        raise BackupError(f"{file} can't be read: {error.strerror}") from None


def _on_its_machine(
    stack: str, what: str, seconds: int, *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
) -> None:
    """Runs the script on the first machine that has the database.

    Raises:
        BackupError: no machine has it, or the one that has could not do it.
    """
    for machine, ssh in machines_of(stack).items():
        words = [full_name(stack), machine, str(seconds), what]
        done = subprocess.run(
            over_ssh(ssh, ["bash", "-c", SCRIPT.read_text(), "team_data", *words]),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode == 0:
            return
        if done.returncode != NONE_THERE:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            why = (
                f"it took more than {seconds} s; raise --seconds"
                if done.returncode == 124
                else (said or ["no answer"])[-1]
            )
            raise BackupError(f"{machine}: no {what}: {why}; try `{ssh}`")
    raise BackupError(f"stack {stack} has no team's database on its machines; set gateway.team and run `pulumi up`")


if __name__ == "__main__":
    sys.exit(main())
