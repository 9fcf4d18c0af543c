#!/usr/bin/env bash
# The scripts of a step, one after another. The first that fails ends the step with its own sentence; the results of all
# are one. Environment: STAGES, words NAME:SECONDS, each of which is stages/NAME.sh
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
trap - ERR # a stage has said why

results=()
for stage in $STAGES; do
  name=${stage%:*} code=0
  echo "--- $name"
  rm -f "$TANDEM_DIR/result"
  TANDEM_STEP=$name timeout --kill-after=10 "${stage#*:}" bash "$TANDEM_DIR/stages/$name.sh" || code=$?
  if ((code == 124 || code == 137)); then fail "$name did not finish within ${stage#*:} s; look at what it waited for in the log"; fi
  ((code == 0)) || exit "$code"
  if [[ -s $TANDEM_DIR/result ]]; then results+=("$(<"$TANDEM_DIR/result")"); fi
done
result "${results[*]}"
