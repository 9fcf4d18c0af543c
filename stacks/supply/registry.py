"""The digest of an image's tag, asked of its registry (OCI distribution specification 1.1; token authentication)."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message

HUB = "registry-1.docker.io"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join((*INDEXES, *MANIFESTS))
"""Of an image for several platforms, the index; of one for a single platform, its manifest."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SECONDS = 20.0


class RegistryError(Exception):
    """The digest is not known; one sentence with cause and remedy."""


def digest_of(image: str, seconds: float = SECONDS) -> str:
    """The digest that a tag names now, `sha256:...`; anonymously, as the images of the defaults are public.

    By HEAD, since Docker Hub counts a GET as a pull. One on a loopback address is asked without TLS, as Docker does.

    Args:
        image: `[HOST[:PORT]/]NAME:TAG`.
        seconds: the longest wait for one answer.

    Raises:
        RegistryError: no answer, no such tag, or a login is needed.
    """
    host, name, tag = _parts(image)
    url = f"{'http' if _is_loopback(host) else 'https'}://{host}/v2/{name}/manifests/{tag}"
    try:
        try:
            return _digest(url, "", image, seconds)
        except urllib.error.HTTPError as error:
            if error.code != http.client.UNAUTHORIZED:
                raise
            return _digest(url, _token(error.headers, image, seconds), image, seconds)
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            raise RegistryError(f"{image}: {host} has no such tag; correct it in stacks/versions.py") from None
        if error.code == http.client.UNAUTHORIZED:
            raise RegistryError(f"{image}: {host} asks for a login; take an image that is public") from None
        raise RegistryError(f"{image}: {error.url} answers {error.code} {error.reason}; try again later") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error) or type(error).__name__
        raise RegistryError(f"{image}: {host} does not answer ({reason}); run it where {host} is reached") from None


def _parts(image: str) -> tuple[str, str, str]:
    """Registry, name and tag, by Docker's own rule."""
    first, slash, rest = image.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        first, rest = HUB, image
    name, _, tag = rest.partition(":")
    return first, name if "/" in name or first != HUB else f"library/{name}", tag or "latest"


def _digest(url: str, token: str, image: str, seconds: float) -> str:
    for method in ("HEAD", "GET"):
        request = urllib.request.Request(url, headers={"Accept": ACCEPT}, method=method)  # noqa: S310  # built above
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            digest = answer.headers.get("Docker-Content-Digest") or ""
            if method == "GET":
                digest = f"sha256:{hashlib.sha256(answer.read()).hexdigest()}"
        if DIGEST.fullmatch(digest):
            return digest
    raise RegistryError(f"{image}: its registry names the digest {digest!r}, which is no SHA-256; tell its owner")


def _token(headers: Message, image: str, seconds: float) -> str:
    """A token for pulling, from where the registry says."""
    kind, _, rest = (headers.get("WWW-Authenticate") or "").partition(" ")
    challenge = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if kind.lower() != "bearer" or not challenge.get("realm", "").startswith(("https://", "http://127.")):
        raise RegistryError(f"{image}: its registry asks for a login; take an image that is public")
    query = urllib.parse.urlencode({name: challenge[name] for name in ("service", "scope") if name in challenge})
    with urllib.request.urlopen(f"{challenge['realm']}?{query}", timeout=seconds) as answer:  # noqa: S310  # looked at above
        try:
            found = json.loads(answer.read())
            return str(found.get("token") or found["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise RegistryError(f"{image}: {challenge['realm']} gave no token; try again later") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition(":")[0]).is_loopback
    except ValueError:
        return False
