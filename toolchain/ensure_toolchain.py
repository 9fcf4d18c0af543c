"""Make everything Pulumi needs be here."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from toolchain import installed_plugins
from toolchain.assembly import assemble
from toolchain.errors import ToolchainError
from toolchain.locking import exclusive
from toolchain.part import Part
from toolchain.parts import all_parts
from toolchain.select_cli import Choice, Origin, choose
from toolchain.versions import versions


def ensure() -> list[str]:
    """Locate, download or build the toolchain; return one line a part: what was chosen, and why.

    When all is there already, nothing is written.

    Raises:
        ToolchainError: something is missing that the user can put right.

    """
    parts = all_parts().values()
    choice = choose(download=False)
    if choice.origin is Origin.BUILD and not all(part.present() for part in parts):
        with exclusive():
            choice = choose(download=True)
            if choice.origin is Origin.BUILD:
                for part in parts:
                    build(part)
    lines = [f"pulumi: {choice.origin.value} ({choice.reason})"]
    for part in parts:
        if choice.directory is None:
            assemble(part)
            lines.append(f"{part.name}: {', '.join(part.programs)} in {part.directory()}")
        else:
            lines += _plugins(part, choice.directory)
    return lines


def _plugins(part: Part, pulumi: Path) -> list[str]:
    if installed_plugins.missing(part):
        with exclusive():
            if not all(
                installed_plugins.install(pulumi / "pulumi", plugin) for plugin in installed_plugins.missing(part)
            ):
                build(part)
    return installed_plugins.describe(part)


def build(part: Part) -> None:
    """Build a part unless it is there; the caller holds the lock.

    Raises:
        ToolchainError: the build failed; nothing of it is left.

    """
    if part.present():
        return
    started = time.monotonic()
    print(f"building {part.name}: {', '.join(part.programs)} (minutes the first time)", file=sys.stderr)
    target = part.directory()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for remnant in target.parent.glob(".*"):
            shutil.rmtree(remnant)  # of a build that was killed: we hold the lock, so none is running
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix="."))
        try:
            part.build(scratch)
            _check(part, scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ToolchainError(
                f"No space left while building {part.name} in {target.parent}: free 2 GiB there, or put the cache"
                " elsewhere with TANDEM_CACHE."
            ) from error
        raise ToolchainError(
            f"Building {part.name} in {target.parent} failed ({error}): make that folder writable, or put the cache"
            " elsewhere with TANDEM_CACHE."
        ) from error
    print(f"built {part.name} in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _check(part: Part, directory: Path) -> None:
    for program in part.programs:
        if not os.access(directory / program, os.X_OK):
            raise ToolchainError(
                f"The build of {part.name} left no executable {program}: its build() and its programs disagree in"
                f" toolchain/parts/{part.name}.py."
            )


def explain(choice: Choice) -> str:
    """Return the sentence for a toolchain that is not ready."""
    return (
        f"Pulumi {versions().pulumi} is not ready ({choice.reason}): run `python -m toolchain ensure`;"
        " the first time it takes minutes."
    )
