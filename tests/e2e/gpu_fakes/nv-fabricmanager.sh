#!/usr/bin/env bash
# Fabric Manager: refuses a driver of another version, as the real one does, and otherwise runs.
set -euo pipefail
own=$(cat /usr/lib/fake-gpu/fabric)
if [[ ${1:-} == --version ]]; then
  echo "Fabric Manager version is : $own"
  exit 0
fi
read -r loaded _ < <(cat /run/fake-gpu/module 2>/dev/null || echo none)
if [[ $loaded != "$own" ]]; then
  echo "fabric manager NVIDIA GPU driver interface version $own don't match with driver version $loaded. Please update with matching NVIDIA driver package."
  exit 1
fi
exec sleep infinity
