#!/usr/bin/env bash
# On a machine with NVIDIA GPUs: the host scripts as they are against the real /sys and nvidia-smi, and the collective
# over all GPUs. Needs python3 with torch, root, nothing else: no Docker, no systemd, no network. Changes nothing
# outside its own folder. Ends within three minutes and prints one JSON object; 0 when everything agreed.
# Usage: tests/gpu/run.sh [PYTHON-WITH-TORCH] [FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${1:-python3}
out=${2:-$(mktemp -d)}
files=components/host/files
export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0}

# A step's folder, as run.sh of the remote steps lays it out.
export TANDEM_DIR=$out/step TANDEM_HOME=$out/home TANDEM_STEP=proof TANDEM_STACK=gpu-test SYSFS=/sys HCAS="" FABRIC_SECONDS=30
mkdir -p "$TANDEM_DIR" "$TANDEM_HOME"
cp components/machine/files/lib.sh $files/*.sh $files/*.py "$TANDEM_DIR/"

timeout 20 python3 "$TANDEM_DIR/pci.py" /sys >"$out/pci.json"
COUNT=$(python3 -c 'import json,sys; print(len(json.load(sys.stdin)["gpus"]))' <"$out/pci.json")
export COUNT
ids=$(python3 -c 'import json,sys; print(*("%04x" % d["device"] for d in json.load(sys.stdin)["gpus"]))' <"$out/pci.json")
# shellcheck disable=SC2086 # ids are words
timeout 20 python3 "$TANDEM_DIR/drivers.py" plan 13.0 "" $ids >"$out/plan" 2>&1 || true
timeout 20 python3 "$TANDEM_DIR/rails.py" /sys >"$out/rails" 2>&1 || true
timeout 40 nvidia-smi -q >"$out/nvidia-smi-q" 2>&1 || true
timeout 20 nvidia-smi --query-gpu=index,name,driver_version,ecc.errors.uncorrected.volatile.total --format=csv,noheader >"$out/query" 2>&1 || true
timeout 20 nvidia-smi --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure --format=csv,noheader >"$out/rows" 2>&1 || true
proof=0
timeout 60 bash "$TANDEM_DIR/nvidia_proof.sh" >"$out/proof.log" 2>&1 || proof=$?
collective=0
local=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU' || true)
timeout 110 "$python" "$TANDEM_DIR/collective.py" --local "$local" --mib 256 --seconds 100 >"$out/collective.json" 2>"$out/collective.log" || collective=$?
python3 tests/gpu/report.py "$out" "$proof" "$collective"
