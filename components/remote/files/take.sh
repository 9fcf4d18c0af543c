#!/usr/bin/env bash
# On a machine, when it is taken: can we work here? Arguments: STACK SECONDS-SINCE-1970 (the caller's clock)
set -euo pipefail
umask 077
stack=$1 theirs=$2

if [[ $(id -u) != 0 ]]; then
  echo "needs root: use ssh.user root, or give this login sudo without a password" >&2
  exit 1
fi
if [[ ! -d /run/systemd/system ]]; then
  echo "has no systemd, which long steps run under; use a machine that boots with systemd" >&2
  exit 1
fi
for program in base64 gzip tar timeout flock setsid; do
  command -v "$program" >/dev/null || { echo "lacks $program; install it (apt-get install coreutils tar gzip util-linux)" >&2; exit 1; }
done
skew=$(($(date +%s) - theirs))
if ((skew < -120 || skew > 120)); then
  echo "its clock is $skew s away from this computer's; TLS and tokens need them together: timedatectl set-ntp true" >&2
  exit 1
fi
mkdir -p "/var/lib/tandem/$stack"
echo "taken=$stack skew=$skew"
