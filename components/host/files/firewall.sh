#!/usr/bin/env bash
# Closes the deployment's inner ports for all but its machines, by an nftables table of its own. What is made here is taken
# back by a timer, unless `firewall_state.sh confirm` is called before over a new connection.
# Environment: CLOSED OPEN MEMBERS (firewall.py), CONFIRM_SECONDS
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "closing inner ports"
switch="set firewall.enabled: false and keep everybody else from these ports by other means: ${CLOSED:+$CLOSED and }those that ranks choose"
have nft || fail "this machine lacks nft, which closes inner ports; install nftables, or $switch"
said=$(nft list tables 2>&1 >/dev/null) ||
  fail "this machine's kernel gives no nftables ($(head -1 <<<"$said")); load its module nf_tables (a container has to be allowed it), or $switch"

folder=$TANDEM_HOME/firewall
table=tandem_${TANDEM_STACK//[^A-Za-z0-9_-]/_}
owner="Tandem $TANDEM_STACK"
if found=$(nft list table inet "$table" 2>/dev/null) && ! grep -qF "comment \"$owner\"" <<<"$found"; then
  fail "this machine has a table inet $table of somebody else's; remove it (nft delete table inet $table), or $switch"
fi

mkdir -p "$folder"
state=$folder/firewall_state.sh
install -m 700 "$TANDEM_DIR/firewall_state.sh" "$state"
echo "$table" >"$folder/table"
undo bash "$state" off
python3 "$TANDEM_DIR/firewall.py" "$table" "$owner" >"$folder/armed.nft"
said=$(nft --check --file "$folder/armed.nft" 2>&1) ||
  fail "nftables of this machine ($(nft --version)) refuses the rules: $(head -1 <<<"$said"); install a newer nftables and kernel, or $switch"

# The timer first: whatever happens from here on, it ends as it was.
unit=firewall-$TANDEM_STACK-back
systemctl stop "$unit.timer" 2>/dev/null || true
systemd-run --quiet --collect --unit="$unit" --on-active="$CONFIRM_SECONDS" --timer-property=AccuracySec=1s \
  bash "$state" back
rm -f "$folder/taken_back"
nft --file "$folder/armed.nft"
result "table=$table"
