"""Where the host itself gets its distribution's packages from: machines are made from the same archive."""

import platform
import shlex
from pathlib import Path

from localcloud.errors import LocalCloudError

APT = Path("/etc/apt")


def release_codename() -> str:
    """The host's release, as `bookworm` or `noble`."""
    release = platform.freedesktop_os_release()
    if release.get("ID") not in ("debian", "ubuntu") or "VERSION_CODENAME" not in release:
        raise LocalCloudError(
            f"Machines are made from the host's own Debian or Ubuntu archive and this host is "
            f"{release.get('PRETTY_NAME', 'another system')}: use a Debian 12 or Ubuntu 24.04 host."
        )
    return release["VERSION_CODENAME"]


def archive_sources(apt: Path = APT) -> list[str]:
    """The host's `deb` lines for its own release, in the one-line form of sources.list(5).

    Archives of other vendors are left out, and so are backports: a bare machine has the plain distribution.

    Raises:
        LocalCloudError: no such line.
    """
    codename = release_codename()
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    lines = [line for file in lists if file.exists() for line in file.read_text().splitlines()]
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        lines += _one_line_form(file.read_text())
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    found = [line for line in lines if _suite(line) in suites]
    if not found:
        raise LocalCloudError(
            f"/etc/apt names no archive of {codename}, from which machines are made: add the distribution's own "
            f"`deb` line to /etc/apt/sources.list."
        )
    return found


def _suite(line: str) -> str | None:
    words = line.split("#", maxsplit=1)[0].split()
    if not words or words[0] != "deb":
        return None
    if len(words) > 1 and words[1].startswith("["):
        end = next((i for i, word in enumerate(words) if word.endswith("]")), len(words))
        words = [words[0], *words[end + 1 :]]
    return words[2] if len(words) > 2 else None


def _one_line_form(text: str) -> list[str]:
    """deb822 stanzas, as in `*.sources`, as one-line entries."""
    lines = []
    for stanza in text.split("\n\n"):
        rows = (row.partition(":") for row in stanza.splitlines() if ":" in row and not row.startswith(("#", " ")))
        fields = {name.strip().lower(): value.strip() for name, _, value in rows}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        key = fields.get("signed-by", "")
        option = f"[signed-by={key}] " if key.startswith("/") else ""
        lines += [
            f"deb {option}{uri} {suite} {' '.join(shlex.split(fields.get('components', '')))}"
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return lines
