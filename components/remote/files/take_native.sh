#!/usr/bin/env bash
# On a machine that lends us a login and no more: can we work here? Arguments: STACK SECONDS-SINCE-1970 BASE
set -euo pipefail
umask 077
stack=$1 theirs=$2 base=${3/#\~/$HOME}

for program in base64 gzip tar timeout flock setsid curl python3; do
  command -v "$program" >/dev/null || { echo "lacks $program; take an image that has it (Debian: coreutils, tar, gzip, util-linux, curl, python3)" >&2; exit 1; }
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' || { echo "has a python3 older than 3.8; take a newer image" >&2; exit 1; }
skew=$(($(date +%s) - theirs))
if ((skew < -120 || skew > 120)); then
  echo "its clock is $skew s away from this computer's, which TLS and tokens need together; have whoever lends the machine set it" >&2
  exit 1
fi
mkdir -p "$base/$stack" 2>/dev/null || { echo "$(id -un) can't make $base/$stack; set native.folder to a folder of this login's own" >&2; exit 1; }
touch "$base/$stack/detached" # run.sh: long steps are processes of ours, not units of systemd
echo "taken=$stack skew=$skew"
