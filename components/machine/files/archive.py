"""A step's files as one deterministic archive, and the word that stands for them.

Beside `agent.py`, which runs as a program: needs Python alone; not for machines.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import shlex
import tarfile
from collections.abc import Mapping

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
    zipped = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="")
    with zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted({**files, "env": render_environment(environment).encode()}.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            tar.addfile(info, io.BytesIO(content))
    return base64.b64encode(raw.getvalue()).decode() + "\n"
