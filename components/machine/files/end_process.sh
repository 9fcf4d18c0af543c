#!/usr/bin/env bash
# Ends a process and removes its folder. Arguments: BASE STACK PROCESS
set -euo pipefail
cat >/dev/null # what was delivered comes again: if nobody reads it, a large one makes a failure of the end
folder=${1/#\~/$HOME}/${2:?}/processes/${3:?}
PATH=${1/#\~/$HOME}/$2/bin:$PATH # the Python that acquire_common.sh found
if [[ -f $folder/process_supervisor.py ]]; then python3 "$folder/process_supervisor.py" stop "$folder"; fi
rm -rf "$folder"
