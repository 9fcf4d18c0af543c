#!/usr/bin/env bash
# The engine's Python environment inside its root: packages.sh ROOT UV UV_CACHE
# Works in a mount namespace of its own, which takes its mounts away however it ends.
set -euo pipefail
if [[ -z ${TANDEM_UNSHARED:-} ]]; then
  TANDEM_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
root=${1:?} uv=$(realpath "${2:?}") cache=${3:?}
files=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
venv=/opt/vllm
site=$venv/lib/python3.11/site-packages

mount -t tmpfs tmpfs "$root/mnt"
mkdir -p "$root/mnt/cache" "$root/mnt/files" "$cache"
mount --bind "$cache" "$root/mnt/cache"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -r "$files/." "$root/mnt/files" # a copy: building the small packages writes beside their sources
cp "$uv" "$root/mnt/uv"
mount -t tmpfs tmpfs "$root/tmp"
# The host's own way to the package index: names, certificates, settings.
for file in /etc/resolv.conf /etc/hosts; do
  [[ -e $root$file ]] || : >"$root$file"
  cp -L "$file" "$root/mnt/$(basename "$file")"
  mount --bind "$root/mnt/$(basename "$file")" "$root$file"
done
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
cp -L "$certificates" "$root/mnt/ca.crt"
export SSL_CERT_FILE=/mnt/ca.crt UV_CACHE_DIR=/mnt/cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_HTTP_TIMEOUT=120
unset SSL_CERT_DIR
export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}
[[ -n $UV_DEFAULT_INDEX ]] || unset UV_DEFAULT_INDEX

inside() { chroot "$root" "$@"; }
install() { inside /mnt/uv pip install --quiet --python $venv/bin/python --no-deps "$@"; }

inside /usr/bin/python3.11 -m venv --without-pip $venv
install --require-hashes --requirement /mnt/files/requirements.lock
install --offline --no-build-isolation /mnt/files/packages/vllm-name /mnt/files/packages/ray-cpu
inside /usr/bin/python3.11 /mnt/files/cuda_stubs.py $site/torch/lib $site/nvidia/cu13/lib
find "$root$site/nvidia" -name '*.a' -delete
# Mounted read-only later: what isn't compiled now is compiled again by every process. A few files are for
# newer Pythons or are templates and don't compile; that is no failure.
inside $venv/bin/python -m compileall -q -j 0 $site >/dev/null 2>&1 || true

inside $venv/bin/python -c '
import ray, torch, vllm
from importlib.metadata import version
assert torch.ones(2).sum() == 2 and version("vllm").endswith("+cpu"), version("vllm")'
