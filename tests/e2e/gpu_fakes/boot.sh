#!/usr/bin/env bash
# What the kernel does at boot: no nouveau where a driver's package forbids it, and the module that was built is loaded.
set -euo pipefail
if [[ -e /usr/lib/fake-gpu/module && ! -e /etc/fake-gpu/no-load ]]; then
  rm -rf /opt/fake-sys/module/nouveau
  mkdir -p /run/fake-gpu
  cp /usr/lib/fake-gpu/module /run/fake-gpu/module
fi
