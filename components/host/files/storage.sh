#!/usr/bin/env bash
# Mounts the shared storage, now and after each boot, and proves that it gives bytes, and takes them where weights are
# written. Environment: SERVER EXPORT MOUNT_POINT MOUNT_OPTIONS WRITES
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

for value in "$SERVER" "$EXPORT" "$MOUNT_POINT" "$MOUNT_OPTIONS"; do
  # A line more in a unit file is a setting more.
  [[ $value != *[[:cntrl:]]* ]] || fail "storage: $(printf %q "$value") has a character that no unit file can carry; correct it"
done
status "mounting $SERVER:$EXPORT"
unit=$(systemd-escape --path --suffix=mount "$MOUNT_POINT")
file=${ETC:-/etc}/systemd/system/$unit
source=$(findmnt --noheadings --output SOURCE "$MOUNT_POINT" 2>/dev/null || true)
if [[ -n $source && ! -f $file ]]; then
  # Somebody mounted it already: use it as it is, and leave it as it is.
  status "$MOUNT_POINT is mounted already ($source)"
else
  undo rmdir --ignore-fail-on-non-empty -- "$MOUNT_POINT"
  undo systemctl daemon-reload
  undo rm -f -- "$file"
  undo systemctl disable --now "$unit"
  cat >"$file.new" <<UNIT
[Unit]
Description=Weights of Tandem
After=network-online.target
Wants=network-online.target

[Mount]
What=${SERVER//%/%%}:${EXPORT//%/%%}
Where=${MOUNT_POINT//%/%%}
Type=nfs
Options=${MOUNT_OPTIONS//%/%%},_netdev
TimeoutSec=60

[Install]
WantedBy=multi-user.target
UNIT
  if ! cmp -s "$file.new" "$file"; then
    systemctl stop "$unit" 2>/dev/null || true
    mv "$file.new" "$file"
    systemctl daemon-reload
  fi
  rm -f "$file.new"
  if ! systemctl enable --now "$unit"; then
    fail "$SERVER:$EXPORT can't be mounted on $MOUNT_POINT ($(journalctl -u "$unit" -n 3 --no-pager -o cat | grep -i mount | tail -1)); see that the server exports it to this machine"
  fi
fi
mountpoint -q "$MOUNT_POINT" || fail "$MOUNT_POINT is no mount point after mounting; remove what stands in its way"

ls "$MOUNT_POINT" >/dev/null || fail "$MOUNT_POINT is mounted but can't be read; the export must allow reading by root (no_root_squash)"
if [[ ${WRITES:-no} == yes ]]; then
  probe=$MOUNT_POINT/.tandem-probe-$(hostname)-$$
  if ! echo "$probe" >"$probe"; then
    [[ ,$(findmnt --noheadings --output OPTIONS "$MOUNT_POINT"), != *,ro,* ]] ||
      fail "$MOUNT_POINT is mounted read-only, and the weights are downloaded to it; take ro out of storage.options, or put the weights there yourself and set model.source to path"
    fail "$MOUNT_POINT is mounted but can't be written, where the weights go; the export must allow writing by root (no_root_squash), or put the weights there yourself and set model.source to path"
  fi
  [[ $(cat "$probe") == "$probe" ]] || fail "$MOUNT_POINT gives back other bytes than were written; do not trust this storage"
  rm -f "$probe"
fi
# Since kernel 5.4 an NFS mount reads ahead only 128 KiB; 15 reads of rsize is what it was before.
device=$(mountpoint -d "$MOUNT_POINT")
if [[ $(findmnt --noheadings --output FSTYPE "$MOUNT_POINT") == nfs* && -w /sys/class/bdi/$device/read_ahead_kb ]]; then
  echo 15360 >"/sys/class/bdi/$device/read_ahead_kb"
fi
result "mount=$MOUNT_POINT free_gib=$(df --output=avail -B1G "$MOUNT_POINT" | tail -1 | tr -d ' ')"
