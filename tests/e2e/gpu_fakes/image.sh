#!/usr/bin/env bash
# An image whose python3 stands in for the engine's: it answers as collective.py does, for two accelerators.
set -euo pipefail
apt-get -qq install --yes busybox-static >/dev/null
mkdir -p /root/image/bin
cp /bin/busybox /root/image/bin/sh
cat >/root/image/bin/python3 <<'PYTHON3'
#!/bin/sh
# called as: python3 /tandem/collective.py --nodes N --node-rank R --local L ... --result FILE
set -eu
test -s "$1"
count=$7
for file; do :; done
if [ "$count" != 2 ]; then
  echo "{\"error\": \"the container sees 2 accelerators, not $count\"}" >"$file"
  exit 1
fi
echo "{\"ranks\": $count, \"bus_gb_per_s\": 1.5, \"transports\": [\"NET/Socket\"]}" >"$file"
PYTHON3
chmod 755 /root/image/bin/python3
tar -C /root/image -c . | docker import - stand-in:1 >/dev/null
