#!/usr/bin/env bash
# Waits until the download of the weights is SECONDS_BEFORE from its end, by the status line it writes.
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"

newest() { # the folder of the weights step that runs or ran last
  find "$TANDEM_HOME/steps/weights" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2-
}

while :; do
  folder=$(newest)
  if [[ -n $folder && -s $folder/error ]]; then
    fail "the weights could not be had: $(cat "$folder/error")"
  fi
  if [[ -n $folder && -s $folder/result ]]; then
    result "left=0"
    exit 0
  fi
  line=$(cat "$folder/status" 2>/dev/null || true)
  # A rate means something after the first percent.
  if [[ $line =~ \ ([1-9][0-9]*)\ %\ .*\ ([0-9]+)\ s\ left ]] && ((BASH_REMATCH[2] <= SECONDS_BEFORE)); then
    result "left=${BASH_REMATCH[2]}"
    exit 0
  fi
  status "waiting until the weights are $SECONDS_BEFORE s from their end (${line:-not begun})"
  sleep 1
done
