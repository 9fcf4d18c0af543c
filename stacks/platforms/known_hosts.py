"""OpenSSH's known hosts file, read once for any number of machines."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator

USABLE = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
"""Host key types that can be pinned, best first.

Pulumi's command plugin asks for a pinned RSA key by the name `ssh-rsa` alone (pulumi-command 1.2.1,
provider/pkg/provider/remote/connection.go), which stands for SHA-1 and is refused by OpenSSH 8.8 and newer.
"""


class KnownHosts:
    """Host keys by name, from the text of a file in the format of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT."""

    def __init__(self, text: str) -> None:
        self._plain: dict[str, list[list[str]]] = {}
        self._matched: list[tuple[str, list[str]]] = []
        """Hashed names and patterns, which must be tried one by one."""
        revoked = set()
        for line in text.splitlines():
            words = line.split()
            if words and words[0] == "@revoked":
                revoked.add(tuple(words[2:4]))
            if len(words) < 3 or line.startswith(("#", "@")):
                continue
            names, key = words[0], words[1:3]
            if names.startswith("|1|") or any(c in names for c in "*?!"):
                self._matched.append((names, key))
            else:
                for name in names.lower().split(","):
                    self._plain.setdefault(name, []).append(key)
        self._revoked = revoked

    def key(self, address: str, port: int) -> str | None:
        """`TYPE BASE64` of the best key known for a machine; None if there is none that can be pinned."""
        keys = sorted((key for key in self._known(address, port) if key[0] in USABLE), key=lambda k: USABLE.index(k[0]))
        return " ".join(keys[0]) if keys else None

    def types(self, address: str, port: int) -> list[str]:
        """The types of all keys known for a machine, such as `ssh-rsa`."""
        return sorted({key[0] for key in self._known(address, port)})

    def _known(self, address: str, port: int) -> list[list[str]]:
        name = address.lower() if port == 22 else f"[{address.lower()}]:{port}"
        return [key for key in self._keys(name) if tuple(key) not in self._revoked]

    def _keys(self, name: str) -> Iterator[list[str]]:
        yield from self._plain.get(name, [])
        yield from (key for names, key in self._matched if _matches(names, name))


def _matches(names: str, name: str) -> bool:
    if names.startswith("|1|"):
        salt, digest = (base64.b64decode(part) for part in names.split("|")[2:4])
        return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)
    patterns = [p for p in names.lower().split(",") if p]
    return any(_fits(name, p) for p in patterns if p[0] != "!") and not any(
        _fits(name, p[1:]) for p in patterns if p[0] == "!"
    )


def _fits(name: str, pattern: str) -> bool:
    """Only `*` and `?` are special (ssh_config(5), PATTERNS); the brackets before a port are not."""
    words = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(words, name) is not None
