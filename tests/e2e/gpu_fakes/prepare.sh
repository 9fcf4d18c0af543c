#!/usr/bin/env bash
# Once a machine: our archive, our modprobe, and a boot that loads what was built.
set -euo pipefail
echo 'deb [trusted=yes] file:/opt/archive ./' >/etc/apt/sources.list.d/test.list
for name in modprobe modinfo; do install -m 755 /opt/fakes/modprobe.sh /usr/local/sbin/$name; done
cat >/etc/systemd/system/fake-kernel.service <<'UNIT'
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=bash /opt/fakes/boot.sh
[Install]
WantedBy=sysinit.target
UNIT
systemctl enable --quiet fake-kernel
apt-get -qq update
apt-get -qq install --yes curl >/dev/null
