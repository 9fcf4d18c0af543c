#!/usr/bin/env bash
# The weights that the first machine has verified are seen here too. Told: FOLDER
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "looking for the weights"
seen() { [[ -n $(ls -A "$FOLDER" 2>/dev/null) ]]; }
for ((n = 0; n < 30; n++)); do # NFS may remember for a while that it wasn't there
  if seen; then break; fi
  sleep 1
done
seen || fail "$FOLDER, which the first machine has filled, is not on this machine: storage.path is no folder that the machines share; have the same drive mounted on all of them"
result "weights=$FOLDER"
