#!/usr/bin/env bash
# Gives the gateway its configuration: to the one that runs, without cutting a stream, and to the one that starts next.
# Environment: OWNER (the user that the gateway runs as; empty for this login), PLACE (the folder as the gateway sees it; empty for
# the same), CONFIG (JSON, secret), ACME_ROOT (PEM, or empty)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

folder=$TANDEM_HOME/gateway
mkdir -p "$folder"
chmod 700 "$folder"
[[ -z $OWNER ]] || chown "$OWNER:$OWNER" "$folder"
status "configuring the gateway"
printf '%s' "$CONFIG" | python3 "$TANDEM_DIR/configure.py" "$folder" "${PLACE:-$folder}" "$OWNER" "$ACME_ROOT" 2>"$TANDEM_DIR/words" ||
  fail "$(tail -n 1 "$TANDEM_DIR/words")"
