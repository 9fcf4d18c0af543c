#!/usr/bin/env bash
# Answers `npu-smi info` as the real one does, for as many accelerators as /opt/fake-dev has.
set -euo pipefail
fault=$(cat /etc/fake-npu-fault 2>/dev/null || true)
if [[ $fault == dcmi ]]; then
  echo "dcmi module initialize failed. ret is -8005"
  exit 1
fi
line='+---------------------------+---------------+----------------------------------------------------+'
echo "| npu-smi 24.1.rc3                 Version: 24.1.rc3                                             |"
echo "$line"
echo "| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|"
for device in /opt/fake-dev/davinci[0-9]*; do
  number=${device##*davinci}
  health=OK
  if [[ $fault == alarm && $number == 1 ]]; then health=Alarm; fi
  printf '| %-5s 910B3               | %-13s | 90.3        35                0    / 0             |\n' "$number" "$health"
  printf '| 0                         | 0000:C%s:00.0  | 0           0    / 0          3386 / 65536         |\n' "$number"
done
echo "$line"
