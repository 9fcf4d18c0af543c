"""Where this package lies, and where it keeps what lasts."""

import os
from pathlib import Path

PACKAGE_ROOT = Path(__file__).parents[2]
"""What a process of ours needs on its path to import this package."""


def state_dir() -> Path:
    """Folder of all state, by $TANDEM_STATE, else ~/.local/state/tandem."""
    own = os.environ.get("TANDEM_STATE")
    return Path(own).expanduser() if own else Path.home() / ".local/state/tandem"


def cache_dir() -> Path:
    """Folder of what is made or fetched once: $TANDEM_CACHE, else tandem in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("TANDEM_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem"
    return base.expanduser()
