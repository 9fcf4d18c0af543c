#!/usr/bin/env bash
# On such a machine, when the stack is destroyed: end all that runs for the stack, remove all that lies there, and say
# what is kept. Arguments: STACK NAME=VALUE...
#   BASE    where the stack's folder is        DELETE_WEIGHTS, KEPT_WEIGHTS    as in cleanup.sh
set -euo pipefail
stack=$1
shift
for told in "$@"; do declare "${told%%=*}=${told#*=}"; done
# shellcheck disable=SC2153  # told
base=${BASE/#\~/$HOME}
home=$base/${stack:?}
PATH=$home/bin:$PATH # acquire_native.sh's Python

for process in "$home"/processes/*/process_supervisor.py; do
  if [[ -f $process ]]; then python3 "$process" stop "$(dirname "$process")" & fi
done
wait
for step in "$home"/steps/*/*/run.sh; do
  if [[ -f $step ]]; then bash "$step" end; fi
done
# Whoever got away from its keeper still carries the mark.
ours() { grep -lsxzF "TANDEM_OWNER=$stack" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
for signal in TERM KILL; do
  for ((n = 0; n < 50; n++)); do
    mapfile -t left < <(ours)
    ((${#left[@]})) || break 2
    kill -s "$signal" "${left[@]}" 2>/dev/null || true
    sleep 0.1
  done
done
while read -r folder; do
  if [[ -n $folder ]]; then
    rm -rf "${folder:?}"
    rmdir --ignore-fail-on-non-empty "$(dirname "$folder")" 2>/dev/null || true
  fi
done <<<"${DELETE_WEIGHTS:-}"
while read -r folder; do
  if [[ -n $folder && -d $folder ]]; then echo "kept the weights in $folder ($(du -sh "$folder" | cut -f1))" >&2; fi
done <<<"${KEPT_WEIGHTS:-}"
temporary=$(printf '%s-%s' "$stack" "$(id -u)" | sha256sum | cut -c1-10)
rm -rf "/tmp/tandem-${temporary:?}" "$home"
rmdir --ignore-fail-on-non-empty "$base" 2>/dev/null || true
echo "left=$stack"
