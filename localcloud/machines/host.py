"""What this Linux machine must have before it can hold others."""

import os
import shutil
import sys

from localcloud.errors import LocalCloudError

# program -> the Debian and Ubuntu package that has it
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}


def check_host() -> None:
    """Refuses a host that cannot hold machines, before anything is done to it.

    Raises:
        LocalCloudError: not Linux, not root, or a program is missing; says the command that installs it.
    """
    if sys.platform != "linux":
        raise LocalCloudError(
            f"Local machines need Linux and this is {sys.platform}: use a Linux machine or a virtual one, "
            "or the hosts platform with machines you have."
        )
    if os.geteuid() != 0:
        raise LocalCloudError("Local machines need root for namespaces and mounts: run the same command with `sudo`.")
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        raise LocalCloudError(
            f"Local machines need what is not installed: run `apt-get install -y {' '.join(missing)}`."
        )
