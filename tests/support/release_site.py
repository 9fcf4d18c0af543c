"""A site of releases on loopback, and programs that stand in for what it serves."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.versions import versions


@dataclass
class Site:
    """What a site serves, file name -> content; names in ``cut`` break off at half, ``stalled`` ones never answer."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    stalled: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def release(self, program: str) -> str:
        """Publish a release whose `pulumi` is the given shell script; return the archive's name."""
        machine = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
        archive = f"pulumi-v{versions().pulumi}-{platform.system().lower()}-{machine}.tar.gz"
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            info = tarfile.TarInfo("pulumi/pulumi")
            info.size, info.mode = len(program), 0o755
            tar.addfile(info, io.BytesIO(program.encode()))
        self.files[archive] = packed.getvalue()
        checksum = hashlib.sha256(packed.getvalue()).hexdigest()
        self.files[f"pulumi-{versions().pulumi}-checksums.txt"] = f"{checksum}  {archive}\n".encode()
        return archive


def program(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def seconds() -> float:
    """Return a clock's reading."""
    return time.monotonic()
