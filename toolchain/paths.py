"""Where the toolchain keeps what it builds and what a local deployment remembers."""

from __future__ import annotations

import os
from pathlib import Path


def source_dir() -> Path:
    """Return the folder of this package, which holds the Go modules of our own parts."""
    return Path(__file__).resolve().parent


def cache_dir() -> Path:
    """Return ``${TANDEM_CACHE:-${XDG_CACHE_HOME:-~/.cache}/tandem}/toolchain``, not yet created."""
    if chosen := os.environ.get("TANDEM_CACHE"):
        return Path(chosen).absolute() / "toolchain"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).absolute() if base else Path.home() / ".cache") / "tandem" / "toolchain"


def state_dir() -> Path:
    """Return ``${TANDEM_STATE:-~/.local/state/tandem}/pulumi``: stacks and their passphrase, not yet created."""
    chosen = os.environ.get("TANDEM_STATE")
    base = Path(chosen).absolute() if chosen else Path.home() / ".local" / "state" / "tandem"
    return base / "pulumi"
