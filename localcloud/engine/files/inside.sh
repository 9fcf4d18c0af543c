#!/usr/bin/env bash
# A command in the engine's environment on this computer, as a container would see it: inside.sh ROOT FOLDER COMMAND...
# FOLDER is /mnt, the folder of this script is /srv; /root, /tmp and /dev/shm are fresh, the rest is the environment's own.
set -euo pipefail
if [[ -z ${TANDEM_UNSHARED:-} ]]; then
  TANDEM_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
root=${1:?} folder=$(realpath "${2:?}")
shift 2
mount --bind "$root" "$root"
mount --bind "$folder" "$root/mnt"
mount --bind "$(realpath "$(dirname "${BASH_SOURCE[0]}")")" "$root/srv"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
for fresh in root tmp dev/shm; do mount -t tmpfs tmpfs "$root/$fresh"; done
mount -o remount,bind,ro "$root"
exec chroot "$root" /usr/bin/env --ignore-environment HOME=/root LANG=C.UTF-8 \
  PATH=/opt/vllm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 "$@"
