"""An apt archive of the packages that are installed inside machines, made once from the host's own archive."""

import email.utils
import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.machines.archive_sources import archive_sources
from localcloud.machines.base_image import bootstrap_key, bootstrapped
from localcloud.machines.layout import FILES
from localcloud.system.cache import cache_dir, key_of, made_once
from localcloud.system.programs import run

PACKAGES = FILES / "mirror-packages.txt"


def package_mirror() -> Path:
    """The folder to serve over HTTP as `deb [trusted=yes] URL ./`; the first call downloads it.

    It has every package of files/mirror-packages.txt and what these depend on beyond the bootstrapped system;
    recommended packages are left out.

    Raises:
        LocalCloudError: the archive cannot be reached or lacks a package; says which.
    """
    return made_once("apt", key_of(bootstrap_key(), " ".join(_names())), _make)


def index(folder: Path) -> None:
    """Writes Packages, Packages.gz and Release for the .deb files of a folder, as apt reads a flat archive.

    The fields are those of Debian's repository format: each package's own control fields, then where it is.
    """
    with ThreadPoolExecutor() as pool:
        stanzas = list(pool.map(_stanza, sorted(folder.glob("*.deb"))))
    packages = "\n".join(stanzas).encode()
    (folder / "Packages").write_bytes(packages)
    (folder / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    sums = [
        f" {hashlib.sha256((folder / name).read_bytes()).hexdigest()} {(folder / name).stat().st_size} {name}"
        for name in ("Packages", "Packages.gz")
    ]
    head = ["Origin: tandem", "Suite: machines", f"Date: {email.utils.formatdate(usegmt=True)}", "SHA256:"]
    (folder / "Release").write_text("\n".join([*head, *sums]) + "\n")


def _names() -> list[str]:
    lines = (line.split("#")[0] for line in PACKAGES.read_text().splitlines())
    return [name for line in lines for name in line.split()]


def _make(folder: Path, log: Path) -> None:
    kept = cache_dir() / "debs"  # a changed list downloads only what is new
    kept.mkdir(exist_ok=True)
    for deb in kept.glob("*.deb"):
        (folder / deb.name).hardlink_to(deb)
    apt = folder / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (folder / "partial").mkdir()
    (apt / "sources.list").write_text("\n".join(archive_sources()) + "\n")
    status = bootstrapped() / "var/lib/dpkg/status"
    run("bash", FILES / "download-debs.sh", apt, status, folder, *_names(), log=log)
    if not any(folder.glob("*.deb")):
        raise LocalCloudError(f"The archive gave no package for machines: see {log}.")
    for deb in list(folder.glob("*.deb")):
        if not (kept / deb.name).exists():
            (kept / deb.name).hardlink_to(deb)
        deb.rename(folder / deb.name.replace("%3a", "+"))  # apt's name for an epoch; a URL would read it as a colon
    run("rm", "-rf", apt, folder / "partial", folder / "lock")
    index(folder)


def _stanza(deb: Path) -> str:
    control = run("dpkg-deb", "--field", deb).rstrip("\n")
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
