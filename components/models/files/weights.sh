#!/usr/bin/env bash
# The weights, whole and verified, in $FOLDER on the shared storage.
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/apt.sh
. "$TANDEM_DIR/apt.sh"

umask 022 # others may read the weights; only what is ours on the machine is private

if [[ $SOURCE == git-lfs || $SOURCE == openmind ]] && ! have git; then
  update_lists git
  status "installing git"
  apt install -y --no-install-recommends git || fail "git can't be installed; install it on this machine by hand"
  kept "the package git"
fi
exec python3 "$TANDEM_DIR/fetch.py"
