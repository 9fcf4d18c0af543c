#!/usr/bin/env bash
# Starts Fabric Manager and returns when it has compared versions and runs.
set -euo pipefail
systemctl start nvidia-fabricmanager
for _ in $(seq 100); do
  if grep -qz sleep "/proc/$(systemctl show --value --property=MainPID nvidia-fabricmanager)/cmdline"; then exit 0; fi
  sleep 0.1
done
exit 1
