#!/usr/bin/env bash
# Ends a process, with its unit where it has one, and removes its folder. Arguments: BASE STACK PROCESS
set -euo pipefail
cat >/dev/null # what was delivered comes again: if nobody reads it, a large one makes a failure of the end
home=${1/#\~/$HOME}/${2:?} unit=$2-${3:?}.service
folder=$home/processes/$3
PATH=$home/bin:$PATH # the Python that acquire_common.sh found
if [[ -f /etc/systemd/system/$unit ]]; then
  systemctl disable --quiet --now "$unit"
  rm -f "/etc/systemd/system/$unit"
  systemctl daemon-reload
  # What it took to undo it is done: a second time would be reported as a failure.
  grep -vF -- "$unit" "$home/undo" >"$home/undo.new" || true
  mv "$home/undo.new" "$home/undo"
fi
if [[ -f $folder/process_supervisor.py ]]; then python3 "$folder/process_supervisor.py" stop "$folder"; fi
rm -rf "$folder"
