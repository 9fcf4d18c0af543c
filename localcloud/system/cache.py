"""Expensive things made once: complete or absent, keyed by all that goes into them."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from localcloud.system import paths
from localcloud.system.locks import locked


def cache_dir() -> Path:
    """The folder of this package's results and logs."""
    return paths.cache_dir() / "machines"


def key_of(*parts: str) -> str:
    """A short name for exactly these inputs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def made_once(kind: str, key: str, make: Callable[[Path, Path], None]) -> Path:
    """The folder `kind-key`, made by `make(folder, log)` when it is not there.

    Others who want the same wait for the one who makes it. A `make` that fails leaves its log and nothing else.
    """
    done = cache_dir() / f"{kind}-{key}"
    if done.is_dir():
        return done
    with locked(cache_dir() / f".{kind}.lock"):
        if done.is_dir():
            return done
        draft, log = done.with_name(f".{done.name}.draft"), done.with_name(f"{kind}.log")
        shutil.rmtree(draft, ignore_errors=True)
        log.unlink(missing_ok=True)
        draft.mkdir()
        try:
            make(draft, log)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(done)
    return done
