#!/usr/bin/env bash
# On a machine that gives a login and no more, when the stack is destroyed: ends all that runs for the stack, removes all
# that lies there, and says what stays. Sent after cleanup_common.sh.
# shellcheck disable=SC2154 # stack, base and home are set before
set -euo pipefail

for process in "$home"/processes/*/process_supervisor.py; do
  if [[ -f $process ]]; then python3 "$process" stop "$(dirname "$process")" & fi
done
wait
end_steps
# Whatever escaped its supervisor still carries the mark.
marked() { grep -lsxzF "TANDEM_OWNER=$stack" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
for signal in TERM KILL; do
  for ((n = 0; n < 50; n++)); do
    mapfile -t left < <(marked)
    ((${#left[@]})) || break 2
    kill -s "$signal" "${left[@]}" 2>/dev/null || true
    sleep 0.1
  done
done
delete_weights
while read -r folder; do
  if [[ -n $folder ]]; then rmdir --ignore-fail-on-non-empty "$(dirname "$folder")" 2>/dev/null || true; fi
done <<<"${DELETE_WEIGHTS:-}"
name_weights
temporary=$(printf '%s-%s' "$stack" "$(id -u)" | sha256sum | cut -c1-10)
rm -rf "/tmp/tandem-${temporary:?}" "$home"
rmdir --ignore-fail-on-non-empty "$base" 2>/dev/null || true
echo "removed=$stack"
