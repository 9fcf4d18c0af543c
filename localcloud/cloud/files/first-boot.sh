#!/usr/bin/env bash
# Runs a machine's user data once; its output and status stay where cloud-init leaves them.
set -euo pipefail

readonly instance=/var/lib/cloud/instance
readonly log=/var/log/cloud-init-output.log

if [[ -e $instance/boot-finished ]]; then
  exit 0
fi
status=0
"$instance/user-data.txt" >>"$log" 2>&1 || status=$?
echo "$status" >"$instance/user-data.status"
touch "$instance/boot-finished"
exit "$status"
