#!/usr/bin/env bash
# On a machine with root, when the stack is destroyed: removes all that carries the stack's name, leaves what was there
# before, and says what stays. Sent after cleanup_common.sh.
#   MOUNT_POINT    where the storage is           MOUNTED    yes: it is no mount of ours, and may be no mount at all
# shellcheck disable=SC2154 # stack, base and home are set before
set -euo pipefail

if command -v docker >/dev/null && systemctl is-active --quiet docker; then
  docker ps --all --quiet --filter "label=tandem.stack=$stack" | xargs -r docker rm --force >/dev/null
fi
systemctl list-units --all --plain --no-legend "$stack-*" | cut -d' ' -f1 | xargs -r systemctl stop
end_steps
if [[ -n ${MOUNT_POINT:-} ]] && { [[ -n ${MOUNTED:-} ]] || mountpoint -q "$MOUNT_POINT"; }; then
  delete_weights
  name_weights
fi
if [[ -f $home/undo ]]; then
  # Newest first; each line is a command that a step wrote when it changed the machine.
  tac "$home/undo" | while read -r line; do bash -c "$line" >/dev/null 2>&1 || echo "could not undo: $line" >&2; done
fi
if [[ -f $home/kept ]]; then
  while read -r line; do echo "kept $line" >&2; done <"$home/kept"
fi
rm -rf "${home:?}"
rmdir --ignore-fail-on-non-empty "$base"
echo "removed=$stack"
