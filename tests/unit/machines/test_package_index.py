"""The index of the package mirror is one that apt reads."""

import shutil
import subprocess
from pathlib import Path

import pytest

from localcloud.machines.package_mirror import index

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is what must read the index")


def package(folder: Path, name: str, depends: str) -> None:
    root = folder / f"{name}.root"
    (root / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\n"
    (root / "DEBIAN/control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
    subprocess.run(["dpkg-deb", "--build", root, folder / f"{name}_1.0_all.deb"], check=True, capture_output=True)
    shutil.rmtree(root)


def test_apt_resolves_and_downloads_a_package_and_its_dependency_through_it(tmp_path: Path) -> None:
    mirror, apt = tmp_path / "mirror", tmp_path / "apt"
    mirror.mkdir()
    package(mirror, "tandem-upper", "tandem-lower")
    package(mirror, "tandem-lower", "")
    index(mirror)
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [trusted=yes] file://{mirror} ./\n")
    options = [
        f"Dir::Etc::sourcelist={apt}/sources.list",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={apt}/lists",
        f"Dir::State::status={apt}/status",
        f"Dir::State::extended_states={apt}/extended",
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
        f"Dir::Cache::archives={apt}/archives",
        "APT::Sandbox::User=root",
        "Debug::NoLocking=true",
    ]
    words = [word for option in options for word in ("-o", option)]
    subprocess.run(["apt-get", "-qq", *words, "update"], check=True, capture_output=True)
    out = subprocess.run(
        ["apt-get", *words, "--print-uris", "-qq", "install", "tandem-upper"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert {line.split()[1] for line in out.splitlines()} == {"tandem-upper_1.0_all.deb", "tandem-lower_1.0_all.deb"}
