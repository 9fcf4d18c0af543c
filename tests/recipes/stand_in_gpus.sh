#!/usr/bin/env bash
# A machine with GPUs on its PCI bus, and nothing behind them: COUNT DEVICE. The system's own /sys shows them, so that
# steps look where they look on a real machine; the driver comes from an archive of the tests (gpu_packages.py).
set -euo pipefail
count=$1 device=$2
bash /opt/fakes/prepare.sh
bash /opt/fakes/reset.sh
for ((n = 1; n <= count; n++)); do
  folder=$(printf '/opt/fake-sys/bus/pci/devices/0000:%02x:00.0' "$n")
  mkdir -p "$folder"
  echo 0x10de >"$folder/vendor"
  echo "$device" >"$folder/device"
  echo 0x030200 >"$folder/class"
done
mount --bind /opt/fake-sys/bus/pci /sys/bus/pci
# A kernel without modules shows none.
[[ ! -d /sys/module ]] || mount --bind /opt/fake-sys/module /sys/module
