"""Which Pulumi CLI to use: one on PATH, the official download, or one built here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from toolchain import official_cli
from toolchain.paths import cache_dir
from toolchain.versions import parse, versions


class Origin(Enum):
    """Where the CLI comes from, in the order of preference."""

    PATH = "found on PATH"
    DOWNLOAD = "downloaded"
    BUILD = "built here"


@dataclass(frozen=True)
class Choice:
    """The CLI to use and why; ``directory`` holds it, and is None while it still has to be built."""

    origin: Origin
    reason: str
    directory: Path | None = None


def choose(*, download: bool) -> Choice:
    """Choose the CLI; only with ``download`` is the network asked for it.

    Nothing is built, and a failed download is no error: its reason becomes part of the choice's.
    """
    needed = versions().pulumi
    found, why_not_path = _on_path(needed)
    if found:
        return Choice(Origin.PATH, why_not_path, found)
    directory, why_not_download = official_cli.fetch(needed, download=download)
    if directory:
        return Choice(Origin.DOWNLOAD, f"{why_not_path}; official {needed}, checksum verified", directory)
    return Choice(Origin.BUILD, f"{why_not_path}; {why_not_download}")


def _on_path(needed: str) -> tuple[Path | None, str]:
    program = shutil.which("pulumi", path=_foreign_path())
    if program is None:
        return None, "no pulumi on PATH"
    version = _version(Path(program))
    if parse(version) >= parse(needed):
        return Path(program).parent, f"{program} is {version}, new enough (>= {needed})"
    return None, f"{program} is {version or 'broken'}, older than {needed}"


def _foreign_path() -> str:
    """Return PATH without what we put there ourselves."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if entry and not _ours(Path(entry)))


def _ours(entry: Path) -> bool:
    """Tell whether a PATH entry is from this cache, or from another one by its form (a shell with another cache)."""
    return entry.is_relative_to(cache_dir()) or entry.match("*/toolchain/tools/*/bin")


def _version(program: Path) -> str:
    """Ask a CLI for its version, once for each file: starting it takes a fifth of a second."""
    stat = program.stat()
    identity = f"{program.resolve()} {stat.st_mtime_ns} {stat.st_size}"
    record = cache_dir() / "path-version.json"
    try:
        known: dict[str, str] = json.loads(record.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("identity") == identity:
        return known["version"]
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run(
            [program, "version"], capture_output=True, text=True, timeout=20, env=environment, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    version = done.stdout.strip()
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"identity": identity, "version": version}))
    return version
