"""Packages by apt-get and by dnf: a distribution's own names, its own repositories, and Docker's where it has none.

There is no machine of Red Hat's kind here. `dnf` is a stand-in as strict as dnf 4: it refuses words it doesn't know,
packages that no repository has, and a repository without what dnf asks of one.
"""

from __future__ import annotations

import base64
import configparser
import http.server
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from components.machine.payload import FILES, parse_result, render_environment
from tests.scripts.native_step import Step
from tests.support.paths import ROOT
from tests.support.scripts import script as named

DNF = r"""
words=()
for word in "$@"; do
  case $word in
    --assumeyes | --quiet | --available | --setopt=install_weak_deps=False | --setopt=retries=3) ;;
    --setopt=sslcacert=/*) ;;
    -*) echo "dnf: error: unrecognized arguments: $word" >&2; exit 2 ;;
    *) words+=("$word") ;;
  esac
done
at() { grep -qs "^baseurl=https://.*$2\$" "$ETC/yum.repos.d/tandem-$1.repo"; }
known() {
  grep -qxF "$1" "$REPOSITORIES" && return
  case $1 in
    docker-ce) at docker '/centos/[89]/$basearch/stable' ;;
    nvidia-container-toolkit) at nvidia-container-toolkit '/stable/rpm/$basearch' ;;
    *) return 1 ;;
  esac
}
case ${words[0]} in
  makecache) ;;
  list) known "${words[1]}" || { echo "Error: No matching Packages to list" >&2; exit 1; } ;;
  install)
    for name in "${words[@]:1}"; do
      known "$name" || { echo "Error: Unable to find a match: $name" >&2; exit 1; }
    done
    echo "${words[*]:1}" >>"$INSTALLED"
    for name in "${words[@]:1}"; do
      case $name in
        docker-ce | docker-engine | moby* | docker) ln -sf "$PROGRAMS/docker.installed" "$PROGRAMS/docker" ;;
        nvidia-container-toolkit) ln -sf "$PROGRAMS/nvidia-ctk.installed" "$PROGRAMS/nvidia-ctk" ;;
      esac
    done ;;
  *) echo "No such command: ${words[0]}. Please use /usr/bin/dnf --help" >&2; exit 1 ;;
esac
"""
RELEASES = {
    "rocky9": 'NAME="Rocky Linux"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
    "alinux3": 'NAME="Alibaba Cloud Linux"\nPLATFORM_ID="platform:al8"\nPRETTY_NAME="Alibaba Cloud Linux 3"\n',
    "openEuler": 'NAME="openEuler"\nID="openEuler"\nVERSION_ID="22.03"\nPRETTY_NAME="openEuler 22.03 (LTS-SP4)"\n',
}


class Machine(Step):
    """A machine whose programs are this computer's, but for package managers, Docker and systemd."""

    def __init__(self, folder, release, *, have=(), manager="dnf") -> None:
        super().__init__(folder)
        self.etc, self.installed = folder / "etc", folder / "installed"
        (self.etc / "yum.repos.d").mkdir(parents=True)
        (self.etc / "os-release").write_text(RELEASES[release])
        (folder / "repositories").write_text("".join(f"{name}\n" for name in have))
        self.base = folder / "base"
        self.base.mkdir()
        for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for name in (entry.name for entry in Path(place).iterdir()):
                hidden = name.startswith(("apt", "dpkg", "docker", "systemctl", "dnf", "rpm", "nvidia", "curl"))
                if not hidden and not (self.base / name).exists():
                    (self.base / name).symlink_to(f"{place}/{name}")
        variables = {
            "REPOSITORIES": folder / "repositories",
            "INSTALLED": self.installed,
            "PROGRAMS": self.programs,
            "ETC": self.etc,
        }
        if manager:
            self.program(manager, "".join(f'{k}="{v}"\n' for k, v in variables.items()) + DNF)
        self.program("docker.installed", 'case $* in --version) echo "Docker version 27" ;; *) echo 27.1 ;; esac')
        self.program("nvidia-ctk.installed", "echo 1.18.0")
        self.program("systemctl", "exit 0")
        # A key is what the mirror says it is; signing_key.py itself is tried below, with real ones.
        self.program(
            "python3",
            'case "$*" in *ensurepip*) exit 1 ;; *daemon_json*) echo same ;; *signing_key*) echo "$2 $4" >"$3" ;; esac',
        )

    def go(self, script, *others, **variables):
        sources = {"step.sh": named(f"{script}.sh"), "run.sh": FILES / "run.sh", "lib.sh": FILES / "lib.sh"}
        for name, source in {**sources, **{other: named(other) for other in others}}.items():
            (self.dir / name).write_bytes(source.read_bytes())
        (self.dir / "env").write_text(render_environment({"ETC": str(self.etc), **variables}))
        done = subprocess.run(
            [shutil.which("bash") or "bash", self.dir / "run.sh", "sync"],
            env={"PATH": f"{self.programs}:{self.base}", "HOME": "/root"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return parse_result(done.stdout), (done.stderr.splitlines() or [""])[0]

    def packages(self, **variables):
        base = {"CONTAINERS": "yes", "DOCKER_PACKAGES": "https://mirror.example/docker-ce/linux"}
        base |= {"REGISTRY_MIRRORS": "", "INSECURE_REGISTRIES": ""}
        return self.go("packages", "package_manager.sh", "daemon_json.py", **{**base, **variables})

    @property
    def requested(self):
        return self.installed.read_text().split() if self.installed.exists() else []


BASE = ("nfs-utils", "curl", "python3-pip")


@pytest.mark.parametrize(
    ("release", "have", "docker"),
    [
        ("openEuler", ("docker-engine", *BASE), "docker-engine"),
        ("openEuler", ("moby", *BASE), "moby"),
        ("rocky9", ("docker-ce", *BASE), "docker-ce"),
        ("rocky9", BASE, "docker-ce"),
        ("alinux3", BASE, "docker-ce"),
    ],
)
def test_a_machine_with_dnf_gets_its_own_packages(tmp_path, release, have, docker):
    machine = Machine(tmp_path, release, have=have)
    found, error = machine.packages()
    assert (found, error) == ({"docker": "27.1"}, "")
    assert set(machine.requested) >= {docker, "curl", "python3-pip"}
    repository = machine.etc / "yum.repos.d/tandem-docker.repo"
    assert repository.exists() == (docker not in have)
    if repository.exists():
        parsed = configparser.ConfigParser(interpolation=None)
        parsed.read(repository)
        major = {"rocky9": "9", "alinux3": "8"}[release]
        assert dict(parsed["tandem-docker"]) == {
            "name": "Docker",
            "enabled": "1",
            "gpgcheck": "1",
            "baseurl": f"https://mirror.example/docker-ce/linux/centos/{major}/$basearch/stable",
            "gpgkey": f"file://{machine.etc}/pki/rpm-gpg/tandem-docker.asc",
        }
        fetched, pinned = (machine.etc / "pki/rpm-gpg/tandem-docker.asc").read_text().split()
        assert fetched == "https://mirror.example/docker-ce/linux/centos/gpg"
        assert pinned == "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
        assert f"rm -f {repository}" in (machine.home / "undo").read_text()
    assert machine.packages()[1] == ""


def test_a_machine_that_only_downloads_gets_no_docker(tmp_path):
    machine = Machine(tmp_path, "openEuler", have=BASE)
    assert machine.packages(CONTAINERS="no") == ({"docker": "none"}, "")
    assert not [name for name in machine.requested if "docker" in name]


@pytest.mark.parametrize(
    ("release", "manager", "have", "says"),
    [
        ("rocky9", "", (), "this machine has neither apt-get nor dnf; install by hand: Docker, "),
        ("openEuler", "dnf", BASE, "Docker's own has none for openEuler 22.03 (LTS-SP4); install Docker by hand"),
        (
            "rocky9",
            "dnf",
            ("nfs-utils",),
            "failed; the log says which package and why; Docker's packages can come from",
        ),
    ],
)
def test_what_no_repository_has_is_reported_in_this_systems_words(tmp_path, release, manager, have, says):
    error = Machine(tmp_path, release, have=have, manager=manager).packages()[1]
    assert says in error
    assert "nfs-common" not in error


def test_podmans_stand_in_is_no_docker(tmp_path):
    machine = Machine(tmp_path, "rocky9", have=BASE)
    machine.program("docker", "echo podman version 4.9.4-rhel")
    assert machine.packages()[1].startswith("docker is Podman's stand-in on this machine")


def test_the_container_toolkit_comes_from_nvidias_own_or_a_mirror(tmp_path):
    machine = Machine(tmp_path, "rocky9")
    machine.program("docker", "echo '{\"nvidia\":1}'")
    variables = {"TOOLKIT_REPOSITORY": "https://mirror/toolkit", "NVITOP": "", "PIP_INDEX": ""}
    found, error = machine.go("nvidia_toolkit", "package_manager.sh", "pip.sh", **variables)
    assert (found, error) == ({"toolkit": "1.18.0"}, "")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(machine.etc / "yum.repos.d/tandem-nvidia-container-toolkit.repo")
    assert parsed["tandem-nvidia-container-toolkit"]["baseurl"] == "https://mirror/toolkit/stable/rpm/$basearch"
    key = machine.etc / "pki/rpm-gpg/tandem-nvidia-container-toolkit.asc"
    assert parsed["tandem-nvidia-container-toolkit"]["gpgkey"] == f"file://{key}"
    assert key.read_text().split() == ["https://mirror/toolkit/gpgkey", "C95B321B61E88C1809C4F759DDCAE044F796ECB0"]


def test_a_repository_whose_key_is_another_is_not_added(tmp_path):
    machine = Machine(tmp_path, "rocky9", have=BASE)
    machine.program("sleep", "")
    machine.program("python3", 'case "$*" in *signing_key*) echo "$2 holds the key X" >&2; exit 1 ;; *) exit 1 ;; esac')
    error = machine.packages()[1]
    assert error == (
        "https://mirror.example/docker-ce/linux/centos/gpg holds the key X; set mirrors.dockerPackages to a mirror of "
        "Docker's own packages, or install Docker by hand"
    )
    assert not (machine.etc / "yum.repos.d/tandem-docker.repo").exists()


KEYRINGS = Path("/usr/share/keyrings")
DEBIAN_12 = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"
"""Debian's own (https://ftp-master.debian.org/keys.html)."""


@pytest.fixture
def mirror(tmp_path):
    """A web server on this computer, and the folder that it serves."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("keys", "armored", "says"),
    [
        (("debian-archive-bookworm-automatic",), False, ""),
        (("debian-archive-bookworm-automatic",), True, ""),
        (("debian-archive-bookworm-stable",), False, "holds the key 4D64FEC119C2029067D6E791F8D2585B8783D481, and B8B"),
        # A second key beside the right one would be believed as well.
        (("debian-archive-bookworm-automatic", "debian-archive-bookworm-stable"), False, "holds the key 4D64"),
        (("debian-archive-bookworm-automatic", "debian-archive-bookworm-stable"), True, "holds the key 4D64"),
        ((), False, "holds the key of nobody"),
        (None, False, "does not answer (HTTP Error 404"),
        ("<html>", False, "holds no OpenPGP key"),
    ],
)
def test_a_key_is_kept_only_if_it_is_the_pinned_one(tmp_path, mirror, keys, armored, says):
    folder, url = mirror
    if isinstance(keys, str):
        (folder / "key").write_text(keys)
    elif keys is not None:
        parts = [(KEYRINGS / f"{name}.gpg").read_bytes() for name in keys]
        if armored:
            around = (
                "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\n",
                "=Xz1a\n-----END PGP PUBLIC KEY BLOCK-----\n",
            )
            parts = [base64.encodebytes(part).join(line.encode() for line in around) for part in parts]
        (folder / "key").write_bytes(b"".join(parts))
    file = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, named("signing_key.py"), f"{url}/key", file, DEBIAN_12],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0, file.exists()) == (not says, not says), done.stderr
    assert says in done.stderr
    if not says:
        assert file.read_bytes() == (folder / "key").read_bytes()


def test_a_missing_driver_is_reported_with_dnfs_own_command(tmp_path):
    machine = Machine(tmp_path, "rocky9")
    (machine.programs / "python3").unlink()
    entry = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    entry.mkdir(parents=True)
    for name, value in (("vendor", "0x10de"), ("device", "0x26ba"), ("class", "0x030200")):
        (entry / name).write_text(f"{value}\n")
    variables = {
        "COUNT": "1",
        "CUDA": "12.8",
        "BRANCH": "",
        "DRIVER": "packages",
        "DRIVER_REPOSITORY": "",
        "ALIBABA_VERSIONS": "",
        "SYSFS": str(tmp_path / "sys"),
    }
    error = machine.go("nvidia_driver", "package_manager.sh", "nvidia_state.sh", "pci.py", "drivers.py", **variables)[1]
    assert "needs driver branch 525 or newer" in error
    assert "dnf module install nvidia-driver:580-open" in error


def test_no_container_of_ours_is_kept_from_its_folders_by_selinux():
    """Docker switches labels off with the host's IPC (moby, daemon/create.go: generateSecurityOpt), or on request."""
    found = 0
    for script in ROOT.glob("components/*/files/*.sh"):
        text = script.read_text().replace("\\\n", " ")
        for line in (line for line in text.splitlines() if re.match(r" *docker run ", line) and "--volume" in line):
            found += 1
            assert "--ipc host" in line or "--security-opt label=disable" in line, script
    assert found
    assert 'ipc_mode="host"' in (ROOT / "components/runtime/docker.py").read_text()
