#!/usr/bin/env bash
# This machine's part of a collective over all accelerators, in the engine's image. Every machine runs its part at the
# same time. Environment: STACK_CONTAINER IMAGE NODES NODE_RANK COUNT ADDRESS PORT BACKEND MIB, and those of runtime_run
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/runtime/files/docker.sh
. "$TANDEM_DIR/runtime.sh"

status "a collective over $((NODES * COUNT)) accelerators"
# A folder of its own: a container sees the program and leaves what it measured there, apart from what NCCL logs.
place=$TANDEM_HOME/collective
rm -rf "$place"
mkdir -p "$place"
install -m 644 "$TANDEM_DIR/collective.py" "$place/collective.py"
code=0
# shellcheck disable=SC2153 # of the environment
runtime_run "$STACK_CONTAINER" "$IMAGE" "$place/collective.py" \
  --nodes "$NODES" --node-rank "$NODE_RANK" --local "$COUNT" \
  --address "$ADDRESS" --port "$PORT" --backend "$BACKEND" --mib "$MIB" >"$TANDEM_DIR/said" 2>&1 || code=$?
tail -n 200 "$TANDEM_DIR/said"
answer=$place/collective.result
field() { python3 -c 'import json, sys
try:
    value = json.load(open(sys.argv[2])).get(sys.argv[1], "")
except (OSError, ValueError):
    value = ""
print(",".join(value) if isinstance(value, list) else value)' "$1" "$answer"; }
why=$(field error)
[[ -z $why ]] || fail "$why"
if ((code != 0)) || [[ -z $(field ranks) ]]; then
  # It never ran: Docker's own reason, which isn't its last line.
  why=$(runtime_reason "$TANDEM_DIR/said")
  fail "${why:-the collective ended with exit code $code and said nothing}"
fi
status "all-reduce $(field bus_gb_per_s) GB/s by $(field transports)"
result "ranks=$(field ranks) bus_gb_per_s=$(field bus_gb_per_s) transports=$(field transports)"
rm -rf "$place"
