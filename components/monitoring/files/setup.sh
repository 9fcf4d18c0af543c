#!/usr/bin/env bash
# Folders of monitoring's programs. Environment: OWNED (yes: a folder is its program's user's), FOLDERS (`name:user` each)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

folder=$TANDEM_HOME/monitoring
mkdir -p "$folder/state"
chmod 755 "$folder/state"
for each in $FOLDERS; do
  mkdir -p "$folder/${each%:*}"
  chmod 700 "$folder/${each%:*}"
  [[ $OWNED == no ]] || chown -R "${each#*:}:${each#*:}" "$folder/${each%:*}"
done
