#!/usr/bin/env bash
# What acquire.sh and acquire_native.sh share; sent before either of them. Arguments of both:
# STACK SECONDS-SINCE-1970 (the caller's clock) BASE
set -euo pipefail
umask 077
stack=$1 caller=$2 base=$3
home=${base/#\~/$HOME}/${stack:?}

# need REMEDY PROGRAM...: all of them are on PATH.
need() {
  local remedy=$1 program
  shift
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "lacks $program; $remedy" >&2; exit 1; }
  done
}

# find_python REMEDY: sets python. Steps run on Python 3.8 or newer; where python3 is older, a newer one beside it will do.
find_python() {
  local candidate
  python=
  for candidate in python3 python3.{13,12,11,10,9,8}; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
      python=$(command -v "$candidate")
      if [[ $candidate == python3 ]]; then python=python3; fi
      return
    fi
  done
  echo "has $(python3 --version 2>&1 | grep Python || echo "no python3") and our steps need Python 3.8 or newer; $1" >&2
  exit 1
}

# check_clock WORDS: sets skew, the seconds by which the clock differs from the caller's; WORDS follow the difference.
check_clock() {
  skew=$(($(date +%s) - caller))
  if ((skew < -120 || skew > 120)); then
    echo "its clock is $skew s away from this computer's$1" >&2
    exit 1
  fi
}

# install_runtime NAME: what run.sh reads: the python3 that steps find first, and whether long ones are units of systemd.
install_runtime() {
  rm -rf "${home:?}/bin"
  if [[ $python != python3 ]]; then
    mkdir "$home/bin"
    ln -s "$python" "$home/bin/python3"
  fi
  echo "$1" >"$home/runtime"
  echo "acquired=$stack skew=$skew"
}
