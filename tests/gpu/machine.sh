#!/usr/bin/env bash
# One machine of up.sh: its own network, processes, name, home, /tmp, and /dev with some of the GPUs; it is an sshd.
# Ends with whoever started it. Arguments: NAME ADDRESS FOLDER LOGIN GPU...
set -euo pipefail
name=$1 address=$2 folder=$3 login=$4
shift 4
hostname "$name"
ip link set lo up
for ((n = 0; n < 200; n++)); do
  if ip link show eth0 >/dev/null 2>&1; then break; fi
  sleep 0.05
done
ip address add "$address/24" dev eth0
ip link set eth0 up

dev=$folder/$name-dev
mkdir -p "$dev"
mount -t tmpfs -o mode=755 tmpfs "$dev"
for node in null zero full random urandom tty nvidiactl nvidia-uvm nvidia-uvm-tools "${@/#/nvidia}"; do
  [[ -e /dev/$node ]] || continue
  touch "$dev/$node"
  mount --bind "/dev/$node" "$dev/$node"
done
mkdir "$dev/pts" "$dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
ln -s pts/ptmx "$dev/ptmx"
ln -s /proc/self/fd "$dev/fd"
mount --move "$dev" /dev
for place in /tmp /home; do mount -t tmpfs -o mode=1777 tmpfs $place; done
install -d -o "$login" -m 700 "$(getent passwd "$login" | cut -d: -f6)"
exec "$(command -v sshd)" -D -e -f "$folder/sshd_config"
