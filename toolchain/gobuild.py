"""Go programs out of modules whose versions are pinned in their go.mod and go.sum."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.versions import parse, versions


def go_build(
    module: Path, programs: dict[str, str], directory: Path, variables: Mapping[str, str] | None = None
) -> None:
    """Build ``programs`` (file name -> package, e.g. ``./cmd/x``) of the Go module at ``module`` into ``directory``.

    Static (CGO_ENABLED=0) and stripped; ``variables`` are string variables set by the linker (package.Name -> value).
    The module's go.mod and go.sum must be complete.

    Raises:
        ToolchainError: Go is missing or too old, a module can't be fetched, the disk is full, or it doesn't compile.

    """
    go = find_go()
    flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in (variables or {}).items())])
    for name, package in programs.items():
        command = [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", f"-ldflags={flags}"]
        _run([*command, "-o", str(directory / name), package], module, name)


def module_dir(module: Path, dependency: str) -> Path:
    """Return where the Go module cache keeps ``dependency``, at the version that ``module`` requires.

    Raises:
        ToolchainError: as go_build.

    """
    go = find_go()
    _run([go, "mod", "download", dependency], module, dependency)
    return Path(_run([go, "list", "-m", "-f", "{{.Dir}}", dependency], module, dependency).strip())


def find_go() -> str:
    """Return the path of a Go new enough.

    Raises:
        ToolchainError: there is none.

    """
    needed = versions().go
    go = shutil.which("go")
    if go is None:
        raise ToolchainError(
            f"Go is missing, and Pulumi {versions().pulumi} has to be built here because it could not be downloaded:"
            f" install Go {needed} or newer (https://go.dev/dl) or a pulumi >= {versions().pulumi}, and put it on PATH."
        )
    version = _run([go, "env", "GOVERSION"], Path(go).parent, "go").strip()
    if parse(version) < parse(needed):
        raise ToolchainError(
            f"{go} is {version}, too old to build the toolchain: put Go {needed} or newer first on PATH"
            " (https://go.dev/dl)."
        )
    return go


def _run(command: list[str], cwd: Path, what: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    raise ToolchainError(_explain(done.stderr, what))


def _explain(stderr: str, what: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("go: downloading")]
    last = lines[-1] if lines else "no message"
    if "no space left on device" in stderr:
        return (
            f"No space left while building {what}: free 8 GiB for the caches of Go and of the toolchain, or move them"
            " with GOCACHE, GOMODCACHE and TANDEM_CACHE."
        )
    network = ("dial tcp", "no such host", "i/o timeout", "connection refused", "TLS handshake", "proxyconnect")
    if any(sign in stderr for sign in network):
        return (
            f"Building {what} needs Go modules that can't be fetched ({last}): check the network, or set GOPROXY to a"
            " Go proxy you can reach, and run it again."
        )
    return f"Building {what} failed: {last} (`go clean -modcache` repairs a damaged Go module cache)."
