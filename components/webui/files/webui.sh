#!/usr/bin/env bash
# Open WebUI with an environment from a file, so that its secrets are in no list of containers: webui.sh FILE
set -euo pipefail
mkdir -p "$DATA_DIR"
set -a
# shellcheck source=/dev/null # written by components/webui/webui.py
. "${1:?}"
set +a
if [[ -f start.sh ]]; then exec bash start.sh; fi # its own image, whose folder this is
exec open-webui serve --host "$HOST" --port "$PORT"
