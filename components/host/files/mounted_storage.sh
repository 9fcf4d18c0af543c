#!/usr/bin/env bash
# The shared folder that is there already, such as a landlord's drive: mounted by others, looked at by us.
# Environment: FOLDER WRITES (yes on the machine that downloads)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "looking at $FOLDER"
[[ -d $FOLDER ]] || fail "there is no folder $FOLDER on this machine; have the shared drive mounted there, or correct storage.path"
[[ -r $FOLDER && -x $FOLDER ]] || fail "$(id -un) may not read $FOLDER; have whoever lends the machine allow it"
if [[ $WRITES == yes ]]; then
  probe=$FOLDER/.tandem-probe-$(hostname)-$$
  echo "$probe" 2>/dev/null >"$probe" || fail "$(id -un) may not write $FOLDER, where the weights go; correct storage.path or have it allowed"
  rm -f "$probe"
fi
result "mount=$FOLDER free_gib=$(df --output=avail -B1G "$FOLDER" | tail -1 | tr -d ' ')"
