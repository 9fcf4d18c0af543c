#!/usr/bin/env bash
# The tiny model, written by the engine's own Python: model.sh ROOT TARGET MIB
set -euo pipefail
if [[ -z ${TANDEM_UNSHARED:-} ]]; then
  TANDEM_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
root=${1:?} target=$(realpath "${2:?}") mib=${3:?}
script=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/tiny_model.py
mount -t tmpfs tmpfs "$root/mnt"
mkdir "$root/mnt/target"
cp "$script" "$root/mnt/tiny_model.py"
mount --bind "$target" "$root/mnt/target"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
chroot "$root" /opt/vllm/bin/python /mnt/tiny_model.py /mnt/target --mib "$mib"
test -s "$target/model.safetensors.index.json"
