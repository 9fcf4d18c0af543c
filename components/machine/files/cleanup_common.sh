#!/usr/bin/env bash
# What cleanup.sh and cleanup_native.sh share; sent before either of them. Arguments of both: STACK BASE NAME=VALUE...
#   DELETE_WEIGHTS, KEPT_WEIGHTS    folders of weights to delete first and to name, a line each (may be empty)
set -euo pipefail
stack=$1 base=$2
shift 2
for pair in "$@"; do declare "${pair%%=*}=${pair#*=}"; done
base=${base/#\~/$HOME}
home=$base/${stack:?}
PATH=$home/bin:$PATH # the Python that acquire_common.sh found

# end_steps: of those that run in no unit.
end_steps() {
  local step
  for step in "$home"/steps/*/*/run.sh; do
    if [[ -f $step ]]; then bash "$step" end; fi
  done
}

# delete_weights, name_weights: folders that the deployment downloaded.
delete_weights() {
  local folder
  while read -r folder; do
    if [[ -n $folder ]]; then rm -rf "${folder:?}"; fi
  done <<<"${DELETE_WEIGHTS:-}"
}
name_weights() {
  local folder
  while read -r folder; do
    if [[ -n $folder && -d $folder ]]; then echo "kept the weights in $folder ($(du -sh "$folder" | cut -f1))" >&2; fi
  done <<<"${KEPT_WEIGHTS:-}"
}
