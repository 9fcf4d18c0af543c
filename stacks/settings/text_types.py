"""Types of settings that become a word of a command, a line of a unit file, a mount or an address on a machine.

Every step quotes its values (components/machine/files/archive.py), and these are the second lock: a value that could
be read as another word, an option or a specifier is refused before anything is created.
tests/unit/stacks/test_text_types.py asks it of every text of a stack.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from stacks import versions
from stacks.settings.base import Verbatim

PATH = r"[\w.@+,=/~-]+"


def _like(pattern: str, what: str) -> AfterValidator:
    """The whole text is like the pattern; `what` ends the sentence of a refusal."""
    known = re.compile(pattern)

    def check(value: str) -> str:
        if not known.fullmatch(value):
            raise ValueError(f"{value!r} is no {what}")
        return value

    return AfterValidator(check)


def _path(value: str) -> str:
    """An absolute path without blanks or what a shell reads."""
    if not value.startswith("/"):
        raise ValueError(f"must be an absolute path, such as /{value.lstrip('./')}")
    if not re.fullmatch(PATH, value):
        raise ValueError(f"{value!r} holds characters beside letters, digits and . _ @ + , = ~ - /; take another path")
    if ".." in value.split("/"):
        raise ValueError(f"{value!r} leads up by ..; write the folder that it means")
    return value


def _own_folder(value: str) -> str:
    """A path that something may be mounted on."""
    if value.rstrip("/") in SYSTEM:
        raise ValueError(f"{value!r} is the machine's own; take a folder such as /mnt/tandem")
    return value


def _login_path(value: str) -> str:
    """Absolute, or below the login's home."""
    return value if value.startswith("~/") and _path(value[1:]) else _path(value)


def _url(value: str) -> str:
    try:
        url = urlsplit(value)
        whole = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 0) >= 0
    except ValueError:
        whole = False
    if not whole or not re.fullmatch(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+", value) or re.search(r"[$;`()&]", value):
        raise ValueError(f"{value!r} is no URL; write it like https://mirror.example/path")
    return value


SYSTEM = frozenset(
    f"/{name}".rstrip("/")
    for name in (
        "",
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib64",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "var",
    )
)
AbsolutePath = Annotated[str, AfterValidator(_path)]
MountPoint = Annotated[str, AfterValidator(_path), AfterValidator(_own_folder)]
LoginPath = Annotated[str, AfterValidator(_login_path)]
Url = Annotated[str, AfterValidator(_url)]
Image = Annotated[
    str,
    _like(
        r"[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?",
        f"image; write NAME:TAG, or NAME@sha256: and 64 hexadecimal digits, such as {versions.VLLM_IMAGE}",
    ),
]
"""An image's name as `docker pull` takes it: [HOST[:PORT]/]NAME[:TAG][@DIGEST]."""
Host = Annotated[
    str, _like(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+(%\w+)?\]?", "host's name or address")
]
HostPort = Annotated[str, _like(r"([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\])(:\d{1,5})?", "host:port")]
MountOptions = Annotated[
    str, _like(r"[A-Za-z0-9_.:=,/@+-]*", "list of mount options; write them like vers=3,nolock,hard")
]
Requirement = Annotated[
    str, _like(r"[A-Za-z0-9/][\w.,<>=!~\[\] @:/+;'\"()-]*", "pip requirement; write it like vllm==0.24.0")
]
VariableName = Annotated[str, _like(r"[A-Za-z_][A-Za-z0-9_]*", "name of an environment variable")]
Device = Annotated[str, _like(r"[A-Za-z0-9_.-]+(:\d+)?", "device's name; write it like mlx5_0")]
Version = Annotated[str, _like(r"[0-9][\w.+~-]*", "version; write it in full, such as 570.133.20")]
AsItStands = Annotated[str, Verbatim()]
"""Reaches a program's argument or environment as it stands, whatever a shell would make of it."""

__all__ = [
    "AbsolutePath",
    "AsItStands",
    "Device",
    "Host",
    "HostPort",
    "Image",
    "LoginPath",
    "MountOptions",
    "MountPoint",
    "Requirement",
    "Url",
    "VariableName",
    "Version",
]
