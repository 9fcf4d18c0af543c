"""An archive of Debian packages with the names, versions and dependencies of NVIDIA's, and nothing of NVIDIA's in them.

The programs inside answer as the real ones do in each state (gpu_fakes/); they drive no GPU.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from localcloud.machines.package_mirror import index

FAKES = Path(__file__).with_name("gpu_fakes")
BOTH = "580.95.05"
"""Driver and Fabric Manager are in the archive."""
DRIVER_ONLY = "580.126.09"
"""A newer driver whose Fabric Manager is not there yet."""
OLD = "535.274.02"

UNIT = "[Unit]\nDescription={0}\n[Service]\nExecStart={1}\nRestart=no\n[Install]\nWantedBy=multi-user.target\n"
BUILD = (
    "#!/bin/sh\nset -e\n"
    'if [ "$1" = configure ] && [ -d "/usr/src/linux-headers-$(uname -r)" ]; then\n'
    "  mkdir -p /usr/lib/fake-gpu\n  echo {version} {kind} > /usr/lib/fake-gpu/module\nfi\n"
)
UNBUILD = '#!/bin/sh\nset -e\nif [ "$1" != upgrade ]; then rm -f /usr/lib/fake-gpu/module; fi\n'


def write_archive(folder: Path, kernel: str) -> None:
    """Writes the packages and apt's lists of them; `kernel` is what `uname -r` says."""
    _deb(folder, f"linux-headers-{kernel}", "6.18-1", {f"/usr/src/linux-headers-{kernel}/Makefile": "\n"})
    for branch, version in ((580, BOTH), (580, DRIVER_ONLY), (535, OLD)):
        _driver(folder, branch, version)
    for branch, version in ((580, BOTH), (535, OLD)):
        _fabric_manager(folder, branch, version)
    _deb(
        folder,
        "nvidia-container-toolkit",
        "1.18.0-1",
        {
            "/usr/bin/nvidia-ctk": (FAKES / "nvidia-ctk.sh").read_text(),
            "/usr/bin/nvidia-container-runtime": '#!/bin/sh\nexec runc "$@"\n',
            "/usr/bin/nvidia-container-runtime-hook": "#!/bin/sh\nexit 0\n",
        },
    )
    index(folder)


def _driver(folder: Path, branch: int, version: str) -> None:
    full, server = f"{version}-0ubuntu0.24.04.1", f"{branch}-server"
    common = f"nvidia-kernel-common-{server}"
    _deb(folder, common, full, {}, Provides=f"{common}-{version}")
    for kind, suffix in (("open", "-open"), ("proprietary", "")):
        _deb(
            folder,
            f"nvidia-dkms-{server}{suffix}",
            full,
            {},
            scripts={"postinst": BUILD.format(version=version, kind=kind), "postrm": UNBUILD},
            Depends=f"{common} (= {full})",
            Provides="nvidia-kernel-dkms",
            Conflicts="nvidia-kernel-dkms",
            Replaces="nvidia-kernel-dkms",
        )
        _deb(
            folder,
            f"nvidia-headless-{server}{suffix}",
            full,
            {},
            Depends=f"nvidia-dkms-{server}{suffix} (= {full}), nvidia-compute-utils-{server} (= {full})",
        )
    _deb(
        folder,
        f"nvidia-compute-utils-{server}",
        full,
        {
            "/usr/bin/nvidia-persistenced": "#!/bin/sh\nexec sleep infinity\n",
            "/lib/systemd/system/nvidia-persistenced.service": UNIT.format("p", "/usr/bin/nvidia-persistenced"),
        },
        Conflicts="nvidia-compute-utils",
        Provides="nvidia-compute-utils",
        Replaces="nvidia-compute-utils",
    )
    _deb(
        folder,
        f"nvidia-utils-{server}",
        full,
        {
            "/usr/bin/nvidia-smi": (FAKES / "nvidia-smi.sh").read_text(),
            "/usr/lib/fake-gpu/library": f"{version}\n",
        },
        Conflicts="nvidia-utils",
        Provides="nvidia-utils",
        Replaces="nvidia-utils",
    )


def _fabric_manager(folder: Path, branch: int, version: str) -> None:
    _deb(
        folder,
        f"nvidia-fabricmanager-{branch}",
        f"{version}-0ubuntu0.24.04.1",
        {
            "/usr/bin/nv-fabricmanager": (FAKES / "nv-fabricmanager.sh").read_text(),
            "/usr/lib/fake-gpu/fabric": f"{version}\n",
            "/lib/systemd/system/nvidia-fabricmanager.service": UNIT.format("fm", "/usr/bin/nv-fabricmanager"),
        },
        Depends=f"nvidia-kernel-common-{branch}-server-{version}",
    )


def _deb(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, str],
    scripts: dict[str, str] | None = None,
    **fields: str,
) -> None:
    tree = folder / "trees" / f"{name}_{version}"
    for path, text in files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755 if text.startswith("#!") else 0o644)
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    stanza = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "tests <tests@example>"}
    stanza |= {**fields, "Description": "a package of the tests' own making"}
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in stanza.items()))
    for script, text in (scripts or {}).items():
        (control / script).write_text(text)
        (control / script).chmod(0o755)
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, folder / f"{name}_{version}_all.deb"],
        check=True,
        capture_output=True,
    )
