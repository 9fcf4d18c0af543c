#!/usr/bin/env bash
# On a machine that gives a login and no more, when it is acquired: can steps run here? Sent after acquire_common.sh.
set -euo pipefail

need "take an image that has it (Debian: coreutils, tar, gzip, util-linux, curl)" base64 gzip tar timeout flock setsid curl
find_python "take an image that has it, or put one on the login's PATH as python3"
check_clock ", which TLS and tokens need together; have whoever lends the machine set it"
mkdir -p "${home:?}" 2>/dev/null || { echo "$(id -un) can't make $home; set native.folder to a folder of this login's own" >&2; exit 1; }
install_runtime native # long steps are sessions, not units of systemd
