#!/usr/bin/env bash
# A Debian root for the engine: root.sh TARGET SUITE SOURCES_LIST PACKAGES(comma separated)
set -euo pipefail
target=${1:?} suite=${2:?} sources=${3:?} packages=${4:?}
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$target" "$sources"
test -x "$target/usr/bin/python3.11" || {
  echo "the release $suite has no Python 3.11, for which the engine's packages are locked: use a Debian 12 host" >&2
  exit 1
}
# Containers mount /usr and take their /etc from here, so that their image needs no content of its own.
mkdir -p "$target/usr/lib/tandem/etc"
for part in alternatives nginx ssl; do cp -a "$target/etc/$part" "$target/usr/lib/tandem/etc/"; done
