#!/usr/bin/env bash
# The table that firewall.sh has made, from then on. Lies in the deployment's folder on the machine, in firewall/, beside
# armed.nft (made last, until it is confirmed or taken back), confirmed.nft (what holds, over reboots too), taken_back and
# table (its name).
#   confirm    makes what is armed hold      back    back to what held before      off    no table, no unit, no timer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
stack=$(basename "$(dirname "$PWD")")
table=$(cat table)
unit=firewall-$stack.service
timer=firewall-$stack-back.timer
units=${ETC:-/etc}/systemd/system
file=$units/$unit
beside=$units/nftables.service.d/tandem-$stack.conf

ours() {
  [[ $(nft list table inet "$table" 2>/dev/null) == *"comment \"Tandem $stack\""* ]]
}

case ${1:-} in
  confirm)
    if [[ -e taken_back ]] || ! ours; then
      echo "the firewall was taken back before this connection came; run \`pulumi up\` again" >&2
      exit 1
    fi
    if [[ -e armed.nft ]]; then mv armed.nft confirmed.nft; fi # else a call that was cut off has done so
    systemctl stop "$timer" 2>/dev/null || true
    # Like ufw's own unit: before the network.
    cat >"$file.new" <<UNIT
[Unit]
Description=Inner ports of $stack are for its own machines
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$(command -v nft) --file $PWD/confirmed.nft
ExecReload=$(command -v nft) --file $PWD/confirmed.nft
ExecStop=-$(command -v nft) delete table inet $table

[Install]
WantedBy=multi-user.target
UNIT
    chmod 644 "$file.new"
    mv "$file.new" "$file"
    # The distribution's own service flushes every table when it starts, reloads and stops; firewalld's start stops it.
    mkdir -p "${beside%/*}"
    {
      echo "[Service]"
      printf "%s=-$(command -v nft) --file $PWD/confirmed.nft\n" ExecStartPost ExecReload ExecStopPost
    } >"$beside"
    chmod 644 "$beside"
    systemctl daemon-reload
    systemctl --quiet enable "$unit"
    # Loads the same rules once more, in one transaction.
    systemctl reload-or-restart "$unit"
    ;;
  back)
    [[ -e armed.nft ]] || exit 0
    touch taken_back
    rm armed.nft
    if [[ -f confirmed.nft ]]; then nft --file confirmed.nft; elif ours; then nft delete table inet "$table"; fi
    ;;
  off)
    systemctl stop "$timer" 2>/dev/null || true
    systemctl --quiet disable --now "$unit" 2>/dev/null || true
    rm -f "$beside"
    rmdir "${beside%/*}" 2>/dev/null || true # others' files may lie there
    if ours; then nft delete table inet "$table"; fi
    rm -f "$file" armed.nft confirmed.nft taken_back
    systemctl daemon-reload
    ;;
  *)
    echo "firewall_state.sh: unknown call '${1:-}'; use confirm, back or off" >&2
    exit 2
    ;;
esac
