#!/usr/bin/env bash
# Brings a process up as it was delivered beside this file (spec.json, files/), and leaves one alone that runs so already.
# Environment: PROCESS, UNIT (yes: a unit of systemd holds it, and starts it with the machine)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

# Ranks and gateway talk to machines inside, and gRPC would go by a proxy; who needs one has it in its own environment.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
mkdir -p "$TANDEM_DIR/files" # some have none
folder=$TANDEM_HOME/processes/$PROCESS
wanted=$(cd "$TANDEM_DIR" && find spec.json process_supervisor.py files -type f -exec sha256sum {} + | sort | sha256sum | cut -c1-12)
unit=$TANDEM_STACK-$PROCESS.service units=/etc/systemd/system

start() {
  if [[ ${UNIT:-} != yes ]]; then
    python3 "$folder/process_supervisor.py" start "$folder"
    return
  fi
  undo systemctl daemon-reload # the last of the three
  undo rm -f "$units/$unit"
  undo systemctl disable --quiet --now "$unit"
  cat >"$units/$unit" <<UNIT
[Unit]
Description=$PROCESS ($TANDEM_STACK)

[Service]
Type=forking
Environment="PATH=$PATH"
ExecStart=$(command -v python3) $folder/process_supervisor.py start $folder
ExecStop=$(command -v python3) $folder/process_supervisor.py stop $folder
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

if [[ $(cat "$folder/content" 2>/dev/null) != "$wanted" || $(python3 "$folder/process_supervisor.py" status "$folder") != running* ]]; then
  if [[ -f $folder/process_supervisor.py ]]; then
    status "stopping $PROCESS"
    # A unit whose process is gone would start it again.
    if [[ -f $units/$unit ]]; then systemctl stop "$unit"; fi
    python3 "$folder/process_supervisor.py" stop "$folder"
    rm -rf "${folder:?}"
  fi
  status "starting $PROCESS"
  mkdir -p "$folder/files"
  cp -a "$TANDEM_DIR/spec.json" "$TANDEM_DIR/process_supervisor.py" "$folder/"
  cp -a "$TANDEM_DIR/files/." "$folder/files/"
  start || fail "$PROCESS could not be started on this machine: $(tail -n 1 "$TANDEM_DIR/log")"
  echo "$wanted" >"$folder/content"
fi
rm -rf "$TANDEM_DIR/files" # secrets among them; the process has its own copy
now=$(python3 "$folder/process_supervisor.py" status "$folder")
[[ $now == running* ]] || fail "$PROCESS ended at once: $(tail -n 1 "$folder/supervisor.errors" "$folder/log" 2>/dev/null | paste -sd' ')"
result "id=${now#running }"
