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
# Our steps run on Python 3.8 or newer. Where python3 is older, a newer one beside it will do; run.sh puts it first.
python=
for candidate in python3 python3.{13,12,11,10,9,8}; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
if [[ -z $python ]]; then
  echo "has $(python3 --version 2>&1 | grep Python || echo "no python3") and our steps need Python 3.8 or newer; install one beside it (apt-get install python3, or dnf install python3.11) and run \`pulumi up\` again" >&2
  exit 1
fi
skew=$(($(date +%s) - theirs))
if ((skew < -120 || skew > 120)); then
  echo "its clock is $skew s away from this computer's; TLS and tokens need them together: timedatectl set-ntp true" >&2
  exit 1
fi
mkdir -p "/var/lib/tandem/$stack"
rm -rf "/var/lib/tandem/${stack:?}/bin"
if [[ $candidate != python3 ]]; then
  mkdir "/var/lib/tandem/$stack/bin"
  ln -s "$python" "/var/lib/tandem/$stack/bin/python3"
fi
echo "taken=$stack skew=$skew"
