#!/usr/bin/env bash
# This machine's part of a collective over all accelerators, in the engine's image. Every machine runs its part at the
# same time. Told: STACK_CONTAINER IMAGE NODES NODE_RANK COUNT ADDRESS PORT BACKEND DOCKER_OPTIONS NETWORK MIB
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/room_docker.sh
. "$TANDEM_DIR/room.sh"

status "a collective over $((NODES * COUNT)) accelerators"
install -m 644 "$TANDEM_DIR/collective.py" "$TANDEM_HOME/collective.py"
code=0
# shellcheck disable=SC2153 # told
room_run "$STACK_CONTAINER" "$IMAGE" "$NETWORK" "$DOCKER_OPTIONS" "$TANDEM_HOME/collective.py" \
  --nodes "$NODES" --node-rank "$NODE_RANK" --local "$COUNT" \
  --address "$ADDRESS" --port "$PORT" --backend "$BACKEND" --mib "$MIB" >"$TANDEM_DIR/answer" 2>"$TANDEM_DIR/said" || code=$?
cat "$TANDEM_DIR/said"
((code == 0)) || fail "$(room_reason "$TANDEM_DIR/said")"
answer=$(grep '^{' "$TANDEM_DIR/answer" | tail -1)
field() { python3 -c 'import json,sys; v = json.loads(sys.argv[2])[sys.argv[1]]; print(",".join(v) if isinstance(v, list) else v)' "$1" "$answer"; }
status "all-reduce $(field bus_gb_per_s) GB/s by $(field transports)"
result "ranks=$(field ranks) bus_gb_per_s=$(field bus_gb_per_s) transports=$(field transports)"
