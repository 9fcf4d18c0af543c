#!/usr/bin/env bash
# Measures the engine of a stack on this machine: measure.sh STACK [FOLDER], after a line `archive=BASE64` that holds
# benchmark.sh and what it needs. What it is at goes to standard error, the result to standard output, once.
# Exits with 3 where this machine runs no engine that answers the API.
set -euo pipefail
stack=$1 native=${2:-}
if [[ -z $native ]] && ! docker info >/dev/null 2>&1; then
  docker() { sudo -n "$(type -P docker)" "$@"; }
  export -f docker
fi
TANDEM_DIR=$(mktemp -d)
trap 'rm -rf "$TANDEM_DIR"' EXIT
base64 -d <<<"${archive:?}" | tar -xz -C "$TANDEM_DIR"
native=${native/#\~/$HOME}
export TANDEM_DIR TANDEM_STACK=$stack TANDEM_HOME=${native:+$native/$stack} TANDEM_STEP=benchmark CONTAINER=''
set -a
# shellcheck source=/dev/null # written by components/machine/payload.py
. "$TANDEM_DIR/env"
set +a
if [[ -n $native ]]; then
  for found in "$TANDEM_HOME"/processes/*-engine/files/liveness.json; do
    [[ ! -e $found ]] || CONTAINER=$(basename "$(dirname "$(dirname "$found")")")
  done
else
  for found in $(docker ps --filter "name=^/?$stack-.*-engine$" --format '{{.Names}}'); do
    ! docker exec "$found" test -e /tandem/liveness.json </dev/null || CONTAINER=$found
  done
fi
[[ -n $CONTAINER ]] || exit 3
bash "$TANDEM_DIR/benchmark.sh" </dev/null >"$TANDEM_DIR/log" 2>&1 &
measuring=$! shown=''
while kill -0 $measuring 2>/dev/null; do
  now=$(cat "$TANDEM_DIR/status" 2>/dev/null || true)
  if [[ $now != "$shown" ]]; then echo "$now" >&2; fi
  shown=$now
  sleep 1
done
wait $measuring || { tail -n 5 "$TANDEM_DIR/log" >&2; exit 1; }
cat "$TANDEM_DIR/result"
