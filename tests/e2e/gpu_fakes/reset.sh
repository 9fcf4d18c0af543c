#!/usr/bin/env bash
# Back to a machine without a driver and with an empty PCI bus.
set -euo pipefail
mapfile -t held < <(apt-mark showhold)
if ((${#held[@]})); then apt-mark unhold "${held[@]}" >/dev/null; fi
systemctl stop fake-metadata nvidia-fabricmanager 2>/dev/null || true
mapfile -t installed < <(dpkg-query -W -f '${Package}\n' 'nvidia-*' 'linux-headers-*' 2>/dev/null)
if ((${#installed[@]})); then dpkg --purge "${installed[@]}" >/dev/null 2>&1; fi
rm -rf /opt/fake-sys /run/fake-gpu /etc/fake-gpu /usr/lib/fake-gpu /var/lib/tandem
rm -f /usr/bin/nvidia-uninstall /etc/apt/preferences.d/tandem-nvidia
mkdir -p /etc/fake-gpu /opt/fake-sys/module
