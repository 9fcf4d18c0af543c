"""A repository's OpenPGP key, fetched, and kept only if it is the one that was pinned.

signing_key.py URL FILE FINGERPRINT: every primary key that the file holds must have this fingerprint (RFC 4880, 12.2).
Its last line says why it failed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import urllib.request
from collections.abc import Iterator

PUBLIC_KEY = 6
"""The tag of a primary key's packet; a subkey's is another."""
SECONDS = 60


def main() -> None:
    """Fetches, looks, writes."""
    url, file, pinned = sys.argv[1:]
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # a setting, checked there
            text = answer.read()
    except (OSError, ValueError) as error:
        why = error if hasattr(error, "code") else getattr(error, "reason", error)
        sys.exit(f"{url} does not answer ({why})")
    try:
        found = set(fingerprints(text))
    except (ValueError, IndexError):
        sys.exit(f"{url} holds no OpenPGP key")
    if found != {pinned}:
        sys.exit(f"{url} holds the key {', '.join(sorted(found)) or 'of nobody'}, and {pinned} is pinned")
    with open(f"{file}.new", "wb") as out:  # noqa: PTH123  # one name for both
        out.write(text)
    os.chmod(f"{file}.new", 0o644)  # noqa: PTH101
    os.replace(f"{file}.new", file)  # noqa: PTH105


def fingerprints(text: bytes) -> Iterator[str]:
    """Of every primary key, in capitals.

    Raises:
        ValueError, IndexError: it is none of OpenPGP, or of another version than 4.
    """
    for tag, body in packets(binary(text)):
        if tag == PUBLIC_KEY:
            if body[0] != 4:
                raise ValueError(f"a key of version {body[0]}")
            head = b"\x99" + len(body).to_bytes(2, "big")
            yield hashlib.sha1(head + body).hexdigest().upper()  # noqa: S324  # what a fingerprint is


def binary(text: bytes) -> bytes:
    """Every key of the file, without the armor around them."""
    if not text.lstrip().startswith(b"-----BEGIN"):
        return text
    whole, inside, head = b"", False, False
    lines: list[bytes] = []
    for line in (each.strip() for each in text.splitlines()):
        if line.startswith(b"-----BEGIN PGP PUBLIC KEY"):
            inside, head, lines = True, True, []
        elif line.startswith(b"-----END") and inside:
            whole, inside = whole + base64.b64decode(b"".join(lines), validate=True), False
        elif inside and head:
            head = bool(line)  # headers end at an empty line
        elif inside and not line.startswith(b"="):  # the checksum
            lines.append(line)
    return whole


def packets(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each (RFC 4880, 4.2).

    Raises:
        ValueError, IndexError: it is none of OpenPGP.
    """
    at = 0
    while at < len(content):
        first = content[at]
        if not first & 0x80:
            raise ValueError("no packet")
        if first & 0x40:
            tag, octet = first & 0x3F, content[at + 1]
            if octet < 192:
                size, start = octet, at + 2
            elif octet < 224:
                size, start = ((octet - 192) << 8) + content[at + 2] + 192, at + 3
            elif octet == 255:
                size, start = int.from_bytes(content[at + 2 : at + 6], "big"), at + 6
            else:
                raise ValueError("a key in parts")
        else:
            tag, width = (first >> 2) & 0x0F, 1 << (first & 3)
            if width == 8:
                raise ValueError("a length that is not said")
            size, start = int.from_bytes(content[at + 1 : at + 1 + width], "big"), at + 1 + width
        if start + size > len(content):
            raise ValueError("cut off")
        yield tag, content[start : start + size]
        at = start + size


if __name__ == "__main__":
    main()
