#!/usr/bin/env bash
# The weights, whole and verified, in $FOLDER on the shared storage.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/package_manager.sh
. "$TANDEM_DIR/package_manager.sh"

umask 022 # others may read the weights; only what is ours on the machine is private

if [[ $SOURCE == git-lfs || $SOURCE == openmind ]] && ! have git; then
  add_packages git
fi
exec python3 "$TANDEM_DIR/fetch.py"
