"""Ollama for processors, built from its Go module."""

import os
import shutil
from pathlib import Path

from localcloud.engine.environment import ensure_environment
from localcloud.engine.llamacpp import fetch_source
from localcloud.machines.cache import key_of, made_once
from localcloud.machines.errors import MachinesError
from localcloud.machines.programs import run

MODULE = "github.com/ollama/ollama@v0.17.4"
"""The newest release that Go's module proxy has; later ones fetch llama.cpp while they are built."""
ENVIRONMENT = {"CGO_ENABLED": "1", "CGO_CFLAGS": "-O2", "CGO_CXXFLAGS": "-O1", "GOTOOLCHAIN": "local"}
FLAGS = ("-trimpath", "-ldflags=-s -w -linkmode=external -extldflags '-static-libstdc++ -static-libgcc'")


def ensure_ollama() -> Path:
    """The folder with `bin/ollama`, made when it isn't there: about 10 minutes.

    Raises:
        MachinesError: no Go, no module proxy, or the build failed.
    """
    go = shutil.which("go")
    if go is None:
        raise MachinesError("go is missing, which builds Ollama: install Go 1.26 or newer and put it on PATH.")
    libraries = ensure_environment().parent.name  # the C library it will run with

    def make(folder: Path, log: Path) -> None:
        # A module's archive has no folders named vendor; the headers that are missed are llama.cpp's own.
        source = folder / "source"
        fetch_source(source, log)
        archive = next(source.glob("*.tar.gz"))
        run("tar", "--extract", "--file", archive, "--directory", source, "--strip-components=2", "--wildcards",
            "*/llama.cpp/vendor/*", log=log)  # fmt: skip
        headers = f"-I{source / 'vendor'}"
        flags = {name: f"{ENVIRONMENT[name]} {headers}" for name in ("CGO_CFLAGS", "CGO_CXXFLAGS")}
        run(
            *(go, "install", *FLAGS, MODULE),
            env={**os.environ, **ENVIRONMENT, **flags, "GOBIN": str(folder / "bin")},
            log=log,
        )
        run(folder / "bin" / "ollama", "--version", log=log)
        shutil.rmtree(source)

    return made_once("ollama", key_of(MODULE, libraries, *ENVIRONMENT.values(), *FLAGS), make)
