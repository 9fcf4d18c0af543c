#!/usr/bin/env bash
# A machine with GPUs on its PCI bus, and nothing behind them: COUNT DEVICE NVSWITCHES. The system's own /sys shows them, so that
# steps look where they look on a real machine; the driver comes from an archive of the tests (gpu_packages.py).
set -euo pipefail
count=$1 device=$2 switches=$3
bash /opt/fakes/prepare.sh
bash /opt/fakes/reset.sh
# show NUMBER DEVICE CLASS
show() {
  local folder
  folder=$(printf '/opt/fake-sys/bus/pci/devices/0000:%02x:00.0' "$1")
  mkdir -p "$folder"
  echo 0x10de >"$folder/vendor"
  echo "$2" >"$folder/device"
  echo "$3" >"$folder/class"
}
for ((n = 1; n <= count; n++)); do show "$n" "$device" 0x030200; done
for ((n = 1; n <= switches; n++)); do show $((count + n)) 0x22a3 0x068000; done
mount --bind /opt/fake-sys/bus/pci /sys/bus/pci
# A kernel without modules shows none.
[[ ! -d /sys/module ]] || mount --bind /opt/fake-sys/module /sys/module
