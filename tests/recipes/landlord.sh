#!/usr/bin/env bash
# What a landlord has on a machine when it is lent: Python, a drive that all see, and an environment with the engine;
# here the engine is a stand-in (tests/stand_ins).
set -euo pipefail
drive=/datadrive environment=/opt/rented

if ! python3 -c 'import ensurepip' 2>/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
fi
mkdir -p "$drive"
mountpoint -q "$drive" || mount -t nfs nas:/share "$drive"
[[ -x $environment/bin/python3 ]] || python3 -m venv "$environment"
folder=$("$environment/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo /opt/tandem/stand-ins >"$folder/stand_ins.pth"
"$environment/bin/python3" -c 'import sglang'
mountpoint -q "$drive"
