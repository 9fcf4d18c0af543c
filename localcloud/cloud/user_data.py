"""User data as cloud-init understands it: a script, or the part of #cloud-config that machines here need."""

import base64
import binascii
import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from localcloud.errors import LocalCloudError

KNOWN = ("ssh_authorized_keys", "ssh_keys", "write_files", "runcmd", "hostname", "ssh_pwauth", "disable_root")


@dataclass(frozen=True)
class BootFile:
    """A file to write before the first boot; `mode` as in chmod."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class FirstBoot:
    """What a machine does once: keys for root, its host key (private, public), files, a script; empty is none."""

    authorized_keys: tuple[str, ...] = ()
    host_key: tuple[str, str] | None = None
    files: tuple[BootFile, ...] = ()
    script: str = ""


def parse(text: str) -> FirstBoot:
    """Reads user data.

    Raises:
        LocalCloudError: it is neither a script nor #cloud-config, or asks for something that is not supported here.
    """
    if not text.strip():
        return FirstBoot()
    if text.startswith("#!"):
        return FirstBoot(script=text)
    if not text.startswith("#cloud-config"):
        raise LocalCloudError("The user data begins with neither `#!` nor `#cloud-config`: cloud-init would ignore it.")
    try:
        config = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise LocalCloudError(f"The user data is no YAML: {error}.") from None
    unknown = [key for key in config if key not in KNOWN]
    if unknown:
        raise LocalCloudError(
            f"The local cloud does not support {unknown[0]!r} in #cloud-config, only {', '.join(KNOWN)}."
        )
    keys = config.get("ssh_keys") or {}
    private, public = keys.get("ed25519_private", ""), keys.get("ed25519_public", "")
    return FirstBoot(
        tuple(config.get("ssh_authorized_keys") or ()),
        (private, public) if private and public else None,
        tuple(_file(entry) for entry in config.get("write_files") or ()),
        _script(config.get("runcmd") or []),
    )


def _file(entry: dict[str, Any]) -> BootFile:
    content = str(entry.get("content", "")).encode()
    if entry.get("encoding") in ("b64", "base64"):
        try:
            content = base64.b64decode(content)
        except binascii.Error:
            raise LocalCloudError(f"The file {entry.get('path')} of the user data is not Base64.") from None
    elif entry.get("encoding") not in (None, "text/plain"):
        raise LocalCloudError(f"The encoding {entry['encoding']} of a file in the user data is not supported: use b64.")
    return BootFile(str(entry["path"]), content, int(str(entry.get("permissions", "0644")), 8))


def _script(commands: list[Any]) -> str:
    """The commands one by one, lists quoted, as cloud-init writes its runcmd script."""
    if not commands:
        return ""
    lines = [shlex.join(map(str, command)) if isinstance(command, list) else str(command) for command in commands]
    return "\n".join(["#!/bin/sh", *lines, ""])
