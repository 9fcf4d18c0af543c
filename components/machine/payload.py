"""What travels to a machine by standard input: a step's files as one deterministic archive. Pure."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import shlex
import tarfile
from collections.abc import Mapping
from pathlib import Path

FILES = Path(__file__).parent / "files"
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def content_hash(files: Mapping[str, bytes], environment: Mapping[str, str]) -> str:
    """Twelve hex digits that change when a file or a variable changes.

    Secrets must not be in `environment`: the hash stands in clear in the state.
    """
    digest = hashlib.sha256()
    for name, content in sorted({**files, "env": render_environment(environment).encode()}.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def render_environment(environment: Mapping[str, str]) -> str:
    """`NAME='value'` lines, quoted for a shell.

    Raises:
        ValueError: for a name that is no environment variable's.
    """
    for name in environment:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for an environment variable; use capitals, digits and _")
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))


def pack(files: Mapping[str, bytes], environment: Mapping[str, str]) -> str:
    """A base64 text of a tar.gz with the files and the environment, the same bytes for the same content."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, content in sorted({**files, "env": render_environment(environment).encode()}.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            tar.addfile(info, io.BytesIO(content))
    return base64.b64encode(raw.getvalue()).decode() + "\n"


def parse_result(stdout: str) -> dict[str, str]:
    """The `key=value` words of a step's last line."""
    lines = stdout.strip().splitlines()
    words = shlex.split(lines[-1]) if lines else []
    return dict(word.split("=", 1) for word in words if "=" in word)
