#!/usr/bin/env bash
# Waits until the download of the weights is SECONDS_BEFORE from its end, by the progress.json that it writes.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

exec python3 "$TANDEM_DIR/early_start.py"
