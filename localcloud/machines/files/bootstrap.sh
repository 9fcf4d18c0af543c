#!/usr/bin/env bash
# Makes a minimal system of the host's own release, as it comes from the archive.
# usage: bootstrap.sh TARGET SUITE SOURCES_LIST PACKAGES_FILE
set -euo pipefail

target=$1 suite=$2 sources=$3
packages=$(sed -e 's/#.*//' "$4" | tr -s ' \n' ',')

mmdebstrap --mode=root --variant=minbase --format=directory --quiet \
  --include="${packages#,}" \
  --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  "$suite" "$target" "$sources"

[ -x "$target/usr/lib/systemd/systemd" ] || { echo "the archive's system has no systemd" >&2; exit 1; }
