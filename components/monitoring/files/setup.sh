#!/usr/bin/env bash
# Folders of monitoring's programs, and beside containers what has none: the writer of the machine's state, and the relay of
# alerts. Told: NATIVE (yes: processes are started by themselves), STATE (JSON of state.py), FOLDERS (`name:user` each),
# RELAY_PORT, RELAY (JSON of relay.py, secret; empty for none)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

folder=$TANDEM_HOME/monitoring units=/etc/systemd/system
mkdir -p "$folder/state"
chmod 755 "$folder/state"
for each in $FOLDERS; do
  mkdir -p "$folder/${each%:*}"
  chmod 700 "$folder/${each%:*}"
  [[ $NATIVE == yes ]] || chown -R "${each#*:}:${each#*:}" "$folder/${each%:*}"
done
[[ $NATIVE == no ]] || exit 0

write_unit() { # NAME DESCRIPTION WORD...
  local unit=$1.service description=$2
  shift 2
  undo systemctl daemon-reload # the last of the three
  undo rm -f "$units/$unit"
  undo systemctl disable --quiet --now "$unit"
  cat >"$units/$unit" <<UNIT
[Unit]
Description=$description ($TANDEM_STACK)
After=docker.service

[Service]
ExecStart=$*
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
}

status "starting what writes the machine's state"
python=$(command -v python3)
install -m 0600 "$TANDEM_DIR/state.py" "$folder/state.py"
printf '%s' "$STATE" >"$folder/state.json"
write_unit "$TANDEM_STACK-state" "State of ranks and machine" "$python" "$folder/state.py" "$folder/state.json" "$folder/state"

unit=$TANDEM_STACK-alert-relay
if [[ -n $RELAY ]]; then
  install -m 0600 "$TANDEM_DIR/relay.py" "$folder/relay.py"
  (umask 077 && printf '%s' "$RELAY" >"$folder/relay.json")
  write_unit "$unit" "Alerts to DingTalk and Feishu" "$python" "$folder/relay.py" "$folder/relay.json" "$RELAY_PORT"
elif [[ -f $units/$unit.service ]]; then
  systemctl disable --quiet --now "$unit"
  rm -f "$units/$unit.service" "$folder/relay.json"
  systemctl daemon-reload
fi
