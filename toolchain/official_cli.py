"""The official download of the Pulumi CLI, checksum-verified."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import platform
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from toolchain.paths import cache_dir

# Pulumi's documented places of its releases and of their checksums. TANDEM_PULUMI_URL names a mirror that has both in
# one folder, or `none`.
_SITE = "https://get.pulumi.com/releases/sdk"
_CHECKSUMS = "https://github.com/pulumi/pulumi/releases/download/v{version}"
_CONNECT_SECONDS = 4.0
_RETRY_SECONDS = 24 * 3600.0


class _Failed(Exception):
    """The download failed; the text says why."""


def fetch(version: str, *, download: bool = True) -> tuple[Path | None, str]:
    """Return the directory with the programs, downloaded if need be, or None and the reason.

    A failure is remembered for a day, so that a closed network costs its few seconds once. Without ``download`` only
    what is here, or known, counts.
    """
    directory = cache_dir() / "official" / version
    if directory.is_dir():
        return directory, ""
    site = os.environ.get("TANDEM_PULUMI_URL", _SITE).rstrip("/")
    if site == "none":
        return None, "downloading is off (TANDEM_PULUMI_URL=none)"
    record = cache_dir() / "official-failure.json"
    if reason := _remembered(record, site, version):
        return None, reason
    if not download:
        return None, "not downloaded"
    try:
        return _download(site, version), ""
    except (_Failed, OSError, http.client.HTTPException, tarfile.TarError) as error:
        reason = f"{site} gave no Pulumi {version} ({error})"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"site": site, "version": version, "reason": reason, "time": time.time()}))
    return None, reason


def _remembered(record: Path, site: str, version: str) -> str | None:
    try:
        failure = json.loads(record.read_text())
        age = time.time() - failure["time"]
        if (failure["site"], failure["version"]) == (site, version) and 0 <= age < _RETRY_SECONDS:
            return f"{failure['reason']}, tried {age / 3600:.0f} h ago; `rm {record}` to try again"
    except (OSError, ValueError, KeyError):
        pass
    return None


def _download(site: str, version: str) -> Path:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if machine is None:
        raise _Failed(f"no release for {platform.machine()}")
    archive = f"pulumi-v{version}-{platform.system().lower()}-{machine}.tar.gz"
    checksums = _CHECKSUMS.format(version=version) if site == _SITE else site
    expected = _checksum(f"{checksums}/pulumi-{version}-checksums.txt", archive)
    parent = cache_dir() / "official"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".") as name:
        scratch = Path(name)
        _save(f"{site}/{archive}", scratch / archive, expected)
        with tarfile.open(scratch / archive) as tar:
            tar.extractall(scratch, filter="data")
        if not (scratch / "pulumi" / "pulumi").is_file():
            raise _Failed(f"{archive} holds no pulumi/pulumi")
        (scratch / "pulumi").rename(parent / version)
    return parent / version


def _checksum(url: str, archive: str) -> str:
    """Return the SHA-256 of ``archive`` from a list of lines ``<sum>  <file>``."""
    with _open(url) as response:
        text = response.read().decode(errors="replace")
    for line in text.splitlines():
        words = line.split()
        if words[1:] == [archive]:
            return words[0].lower()
    raise _Failed(f"{url} has no line for {archive}")


def _save(url: str, target: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with _open(url) as response, target.open("wb") as file:
        while chunk := response.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != expected:
        raise _Failed(f"{url} has SHA-256 {digest.hexdigest()}, not {expected}: cut off or tampered with")


def _open(url: str) -> http.client.HTTPResponse:
    try:
        response = urllib.request.urlopen(url, timeout=_CONNECT_SECONDS)  # noqa: S310 - the scheme is the user's own choice
    except urllib.error.HTTPError as error:
        raise _Failed(f"{url}: HTTP {error.code}") from error
    except urllib.error.URLError as error:
        raise _Failed(f"{url}: {error.reason}") from error
    if not isinstance(response, http.client.HTTPResponse):
        raise _Failed(f"{url} is no HTTP address")
    return response
