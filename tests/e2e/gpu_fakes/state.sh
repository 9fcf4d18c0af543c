#!/usr/bin/env bash
# All that a second run must leave as it is.
set -euo pipefail
dpkg-query -W 'nvidia-*' 'linux-headers-*' docker.io 2>/dev/null || true
apt-mark showhold
cat /proc/sys/kernel/random/boot_id /var/log/apt/history.log 2>/dev/null || true
systemctl show -p ActiveState,ActiveEnterTimestamp nvidia-fabricmanager nvidia-persistenced docker
cat /run/fake-gpu/module /var/lib/tandem/*/undo /var/lib/tandem/*/kept 2>/dev/null || true
stat -c '%n %Y' /etc/apt/preferences.d/* /etc/modules-load.d/* /etc/docker/* 2>/dev/null || true
