#!/usr/bin/env bash
# On a machine with root and systemd, when it is acquired: can steps run here? Sent after acquire_common.sh.
set -euo pipefail

if [[ $(id -u) != 0 ]]; then
  echo "needs root: use ssh.user root, or give this login sudo without a password" >&2
  exit 1
fi
if [[ ! -d /run/systemd/system ]]; then
  echo "has no systemd, which long steps run under; use a machine that boots with systemd" >&2
  exit 1
fi
need "install it (apt-get install coreutils tar gzip util-linux)" base64 gzip tar timeout flock setsid
find_python "install one beside it (apt-get install python3, or dnf install python3.11) and run \`pulumi up\` again"
check_clock "; TLS and tokens need them together: timedatectl set-ntp true"
mkdir -p "${home:?}"
install_runtime docker
