#!/usr/bin/env bash
# What NVIDIA's own programs say of a machine, a line each: NAME, a tab, text. Sent after components/host/files/nvidia_state.sh.
# shellcheck disable=SC2154 # nvidia_state.sh, which comes before, sets what is said
set -euo pipefail
have() { command -v "$1" >/dev/null 2>&1; }
say() { printf '%s\t%s\n' "$1" "$2"; }

look_at_nvidia
say state "$nvidia_state"
say version "$nvidia_version"
say count "$nvidia_count"
say words "$nvidia_words"
say fabric_version "$(fabric_version)"
say fabric_unit "$(systemctl is-active nvidia-fabricmanager 2>/dev/null || true)"
[[ $nvidia_state == working ]] || exit 0

query() { timeout 30 nvidia-smi "$@" --format=csv,noheader,nounits 2>/dev/null || true; }
fields=index,name,ecc.errors.uncorrected.volatile.total,pcie.link.gen.max,pcie.link.width.current,pcie.link.width.max
fields+=,temperature.gpu,clocks_throttle_reasons.hw_thermal_slowdown,clocks_throttle_reasons.hw_slowdown
while IFS= read -r line; do say gpu "$line"; done < <(query --query-gpu=$fields)
while IFS= read -r line; do say remapped "$line"; done < <(
  query --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure
)
while IFS= read -r line; do say nvlink "$line"; done < <(timeout 30 nvidia-smi nvlink --status 2>/dev/null || true)
while IFS= read -r line; do say xid "$line"; done < <(
  { dmesg 2>/dev/null || journalctl --dmesg --no-pager 2>/dev/null || true; } | grep -a 'NVRM: Xid' | tail -n 5 || true
)
