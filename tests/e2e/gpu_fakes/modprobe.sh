#!/usr/bin/env bash
# modprobe and modinfo (by its name) for modules that are notes: /usr/lib/fake-gpu/module is what DKMS would have built.
set -euo pipefail
built=/usr/lib/fake-gpu/module sys=/opt/fake-sys
if [[ $(basename "$0") == modinfo ]]; then
  [[ -e $built ]] || { echo "modinfo: ERROR: Module $1 not found." >&2; exit 1; }
  exit 0
fi
case ${*: -1} in
  nvidia)
    [[ -e $built ]] || { echo "modprobe: FATAL: Module nvidia not found" >&2; exit 1; }
    [[ ! -d $sys/module/nouveau ]] || { echo "modprobe: ERROR: could not insert 'nvidia': No such device" >&2; exit 1; }
    mkdir -p /run/fake-gpu
    [[ -e /run/fake-gpu/module ]] || cp "$built" /run/fake-gpu/module
    ;;
  nvidia-peermem)
    [[ -e /run/fake-gpu/module ]] || { echo "modprobe: ERROR: could not insert 'nvidia_peermem': Unknown symbol" >&2; exit 1; }
    mkdir -p "$sys/module/nvidia_peermem"
    ;;
  *) exit 1 ;;
esac
