#!/usr/bin/env bash
# Ready means: LiteLLM has reached its database, and who comes through the gateway with the master key sees the model.
# Environment: CONTAINERS (of LiteLLM and the database, by name) PORT INNER_PORT SCHEME MODEL READY_SECONDS KEY (secret)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/runtime/files/docker.sh
. "$TANDEM_DIR/runtime.sh"

last() { runtime_log "$1" 60 | sed 's/\x1b\[[0-9;]*m//g' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-400; }

declare -A before
read -ra names <<<"$CONTAINERS"
began=$SECONDS
for container in "${names[@]}"; do
  before[$container]=$(runtime_restarts "$container" || echo 0)
done
while :; do
  missing=$(python3 "$TANDEM_DIR/ready.py" "$PORT" "$INNER_PORT" "$SCHEME" "$MODEL" <<<"$KEY")
  [[ -n $missing ]] || exit 0
  for container in "${names[@]}"; do
    if (($(runtime_restarts "$container" || echo 0) > ${before[$container]} + 5)); then
      runtime_log "$container" 40
      fail "$container does not stay up: $(last "$container")"
    fi
  done
  if ((SECONDS - began >= READY_SECONDS)); then
    for container in "${names[@]}"; do runtime_log "$container" 40; done
    fail "no team's proxy within $READY_SECONDS s: $missing; its last words: $(last "${names[0]}")"
  fi
  status "LiteLLM: $missing"
  sleep 3 # it takes half a minute to start, and a look is a start of Python
done
