#!/usr/bin/env bash
# On a machine, when the stack is destroyed: remove all that carries the stack's name, keep what was
# there before, and say what is kept. Arguments: STACK NAME=VALUE...
#   MOUNT_POINT    where the storage is           MOUNTED    yes: it is no mount of ours, and may be no mount at all
#   DELETE_WEIGHTS    folders of weights to delete first, a line each (may be empty)
set -euo pipefail
stack=$1
shift
for told in "$@"; do declare "${told%%=*}=${told#*=}"; done
PATH=/var/lib/tandem/${stack:?}/bin:$PATH # acquire.sh's Python

if command -v docker >/dev/null && systemctl is-active --quiet docker; then
  docker ps --all --quiet --filter "label=tandem.stack=$stack" | xargs -r docker rm --force >/dev/null
fi
systemctl list-units --all --plain --no-legend "$stack-*" | cut -d' ' -f1 | xargs -r systemctl stop
for step in "/var/lib/tandem/$stack"/steps/*/*/run.sh; do # short ones run in no unit
  if [[ -f $step ]]; then bash "$step" end; fi
done
if [[ -n ${MOUNT_POINT:-} ]] && { [[ -n ${MOUNTED:-} ]] || mountpoint -q "$MOUNT_POINT"; }; then
  while read -r folder; do
    if [[ -n $folder ]]; then
      rm -rf "${folder:?}"
    fi
  done <<<"${DELETE_WEIGHTS:-}"
  while read -r folder; do
    if [[ -n $folder && -d $folder ]]; then echo "kept the weights in $folder ($(du -sh "$folder" | cut -f1))" >&2; fi
  done <<<"${KEPT_WEIGHTS:-}"
fi
if [[ -f /var/lib/tandem/$stack/undo ]]; then
  # Newest first; each line is a command that a step wrote when it changed the machine.
  tac "/var/lib/tandem/$stack/undo" | while read -r line; do bash -c "$line" >/dev/null 2>&1 || echo "could not undo: $line" >&2; done
fi
if [[ -f /var/lib/tandem/$stack/kept ]]; then
  while read -r line; do echo "kept $line" >&2; done <"/var/lib/tandem/$stack/kept"
fi
rm -rf "/var/lib/tandem/${stack:?}"
rmdir --ignore-fail-on-non-empty /var/lib/tandem
echo "left=$stack"
