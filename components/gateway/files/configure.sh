#!/usr/bin/env bash
# Gives the gateway its configuration: to the one that runs, without cutting a stream, and to the one that starts next.
# Told: OWNER (the user that the gateway runs as; empty for this login), PLACE (the folder as the gateway sees it; empty for
# the same), CONFIG (JSON, secret), ACME_ROOT (PEM, or empty), METRICS (yes: requests are counted by key, by a unit of systemd)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

folder=$TANDEM_HOME/gateway
mkdir -p "$folder"
chmod 700 "$folder"
[[ -z $OWNER ]] || chown "$OWNER:$OWNER" "$folder"
status "configuring the gateway"
printf '%s' "$CONFIG" | python3 "$TANDEM_DIR/configure.py" "$folder" "${PLACE:-$folder}" "$OWNER" "$ACME_ROOT" 2>"$TANDEM_DIR/words" ||
  fail "$(tail -n 1 "$TANDEM_DIR/words")"

# What else runs beside a container starts with the machine, as it does.
if [[ -n $OWNER ]]; then
  unit=$TANDEM_STACK-key-metrics.service units=/etc/systemd/system
  if [[ $METRICS == yes ]]; then
    undo systemctl daemon-reload # the last of the three
    undo rm -f "$units/$unit"
    undo systemctl disable --quiet --now "$unit"
    # Not in the gateway's folder: its user could exchange there what root starts.
    install -m 0600 "$TANDEM_DIR/key_metrics.py" "$TANDEM_HOME/key_metrics.py"
    cat >"$units/$unit" <<UNIT
[Unit]
Description=Requests by API key ($TANDEM_STACK)

[Service]
ExecStart=$(command -v python3) $TANDEM_HOME/key_metrics.py $folder $OWNER
Restart=always
RestartSec=2
ProtectSystem=full
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable --quiet "$unit"
    systemctl restart "$unit"
  elif [[ -f $units/$unit ]]; then
    systemctl disable --quiet --now "$unit"
    rm -f "$units/$unit"
    systemctl daemon-reload
  fi
fi
