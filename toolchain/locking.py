"""One writer at a time in the toolchain's cache."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from toolchain.paths import cache_dir


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the cache's lock; say so when another process makes us wait for it."""
    directory = cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another `python -m toolchain ensure` to finish", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
