#!/usr/bin/env bash
# clients.lock anew from clients.in: lock.sh UV
set -euo pipefail
uv=${1:?the uv program}
cd "$(dirname "${BASH_SOURCE[0]}")"
"$uv" pip compile --quiet clients.in --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
  --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file clients.lock
grep -q '^modelscope==' clients.lock
