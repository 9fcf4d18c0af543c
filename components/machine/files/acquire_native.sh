#!/usr/bin/env bash
# On a machine that lends us a login and no more: can we work here? Arguments: STACK SECONDS-SINCE-1970 BASE
set -euo pipefail
umask 077
stack=$1 theirs=$2 base=${3/#\~/$HOME}

for program in base64 gzip tar timeout flock setsid curl; do
  command -v "$program" >/dev/null || { echo "lacks $program; take an image that has it (Debian: coreutils, tar, gzip, util-linux, curl)" >&2; exit 1; }
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
  echo "has $(python3 --version 2>&1 | grep Python || echo "no python3") and our steps need Python 3.8 or newer; take an image that has it, or put one on the login's PATH as python3" >&2
  exit 1
fi
skew=$(($(date +%s) - theirs))
if ((skew < -120 || skew > 120)); then
  echo "its clock is $skew s away from this computer's, which TLS and tokens need together; have whoever lends the machine set it" >&2
  exit 1
fi
mkdir -p "$base/$stack" 2>/dev/null || { echo "$(id -un) can't make $base/$stack; set native.folder to a folder of this login's own" >&2; exit 1; }
rm -rf "$base/${stack:?}/bin"
if [[ $candidate != python3 ]]; then
  mkdir "$base/$stack/bin"
  ln -s "$python" "$base/$stack/bin/python3"
fi
touch "$base/$stack/detached" # run.sh: long steps are processes of ours, not units of systemd
echo "taken=$stack skew=$skew"
