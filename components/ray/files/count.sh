#!/usr/bin/env bash
# Every node and every accelerator must be there before weights load: what is missing shows here, by name.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/runtime/files/docker.sh
. "$TANDEM_DIR/runtime.sh"

ask() {
  runtime_exec "$CONTAINER" python3 - "$ADDRESS" "$ACCELERATORS" "$NODES" "$RESOURCE" <"$TANDEM_DIR/count.py"
}

deadline=$((SECONDS + 240)) # under the step's own limit, whose sentence knows less
while ((SECONDS < deadline)); do
  if seen=$(ask 2>"$TANDEM_DIR/said"); then
    result "$seen"
    exit 0
  fi
  # It could not even ask: then its last word is the reason.
  seen=${seen:-$(tail -n 1 "$TANDEM_DIR/said")}
  status "waiting for Ray: $seen"
  [[ $(runtime_restarts "$CONTAINER") -lt 5 ]] ||
    fail "Ray's head does not stay up: $(runtime_log "$CONTAINER" 5 | grep -v '^tandem: supervisor' | tail -n 1); is port ${ADDRESS##*:} taken on this machine?"
  sleep 2
done
fail "Ray does not see what it should: $seen; look at what ray said on the machine that is missing ($runtime_log_place), and let all ports between the machines be open"
