#!/usr/bin/env bash
# A root with PostgreSQL and LiteLLM, as their images have them but for Prisma's native engines:
# team_image.sh ROOT SUITE SOURCES_LIST UV UV_CACHE LITELLM
set -euo pipefail
root=${1:?} suite=${2:?} sources=${3:?} uv=${4:?} cache=${5:?} litellm=${6:?}
library=$root/opt/litellm prisma=$root/opt/prisma

mmdebstrap --quiet --variant=minbase --include=postgresql-15,nodejs,python3 \
  --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$root" "$sources"
chroot "$root" groupmod --gid 999 postgres # the numbers of the official image
chroot "$root" usermod --uid 999 postgres
rm -rf "$root"/var/lib/postgresql "$root"/var/lib/apt/lists "$root"/var/cache/apt "${root:?}"/dev/*

"$uv" pip install --quiet --cache-dir "$cache" --python-version 3.11 --compile-bytecode --target "$library" \
  "litellm[proxy]==$litellm" prisma==0.15.0
mkdir -p "$prisma"
npm install --prefix "$prisma" --silent --ignore-scripts --no-audit --no-fund \
  @prisma/client@5.17.0 @prisma/adapter-pg@5.17.0 pg@8.13.3 graphql@16.10.0 prisma@5.17.0
cat >"$root/usr/local/bin/litellm" <<'SH'
#!/bin/sh
export PYTHONPATH=/opt/litellm PRISMA_QUERY_ENGINE_BINARY=/opt/prisma/query-engine
exec python3 -c 'import litellm; litellm.run_server()' "$@"
SH
chmod 755 "$root/usr/local/bin/litellm"

# The client that LiteLLM asks its database by is made from its schema, by Prisma's generator for Python.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
printf '#!/bin/sh\nPYTHONPATH=%q exec python3.11 -c "from prisma.cli import main; main()" "$@"\n' "$library" >"$tools/prisma-client-py"
chmod 755 "$tools/prisma-client-py"
engine=/bin/true # it is asked for its version
PATH=$tools:$PATH CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=1 PRISMA_QUERY_ENGINE_BINARY=$engine \
  PRISMA_SCHEMA_ENGINE_BINARY=$engine PRISMA_QUERY_ENGINE_LIBRARY=$engine \
  node "$prisma/node_modules/prisma/build/index.js" generate --schema "$library/litellm/proxy/schema.prisma"
rm -rf "$prisma/node_modules/prisma" "$prisma"/node_modules/@prisma/client/runtime/*.{mysql,sqlite}.*
python3.11 -m compileall -q "$library/prisma" || true
