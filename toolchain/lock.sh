#!/usr/bin/env bash
# Every lock file anew from the requirements beside it: exact versions with hashes, no index's address. What is pinned
# stays where the requirements still allow it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' toolchain/setup.lock)
uv=${TANDEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem}/uv/$version/bin/uv

lock() { # LOCK REQUIREMENTS OPTION...
  "$uv" pip compile --quiet "$2" --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file "$1" "${@:3}"
}

fixtures=localcloud/fixtures/files
machine=(--python-version 3.11 --python-platform x86_64-manylinux_2_36)
lock requirements.lock pyproject.toml --group dev --universal
lock toolchain/setup.lock toolchain/setup.in --no-deps
lock $fixtures/requirements.lock $fixtures/requirements.in "${machine[@]}" --overrides $fixtures/overrides.txt --excludes $fixtures/excludes.txt
lock $fixtures/clients/requirements.lock $fixtures/clients/requirements.in "${machine[@]}"
for name in llamacpp/source llamacpp/tools instruct/requirements; do
  lock "$fixtures/$name.lock" "$fixtures/$name.in" "${machine[@]}" --no-deps
done
for name in vllm sglang open-webui; do
  lock "stacks/locks/$name.lock" "stacks/locks/$name.in" --python-version 3.11 --universal
done
lock tests/recipes/sglang.lock tests/recipes/sglang.in --no-deps
lock tests/scripts/clients/requirements.lock tests/scripts/clients/requirements.in "${machine[@]}"
lock components/runtime/files/nvitop.lock components/runtime/files/nvitop.in --python-version 3.8 --universal
(cd tests/scripts/clients && npm install --silent --package-lock-only --ignore-scripts)
